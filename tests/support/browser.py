"""Headless Chromium for tests of pages: no driver, the page's own script is given one more to run."""
import json
import re
import shutil
import subprocess
from html import unescape

import pytest

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--dump-dom")
needs_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="needs headless Chromium")


def opened(html, script, folder, width=390):
    """What ``script`` put into the array ``seen``, and the page afterwards. Fails on any console message, an error or a refused request."""
    page = folder / "page.html"
    page.write_text(html.replace("</body>", f'<script>const seen = [];\n{script}\ndocument.body.setAttribute("data-seen", JSON.stringify(seen));</script></body>'))
    dom = subprocess.run(["chromium", *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},800", f"file://{page}"],
                         capture_output=True, text=True, timeout=100)
    assert "CONSOLE" not in dom.stderr, dom.stderr
    return json.loads(unescape(re.search(r'data-seen="(.*?)"', dom.stdout)[1])), dom.stdout
