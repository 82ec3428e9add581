"""Sphinx: the pages of this folder, and the public interface from its docstrings (``make docs``)."""
import re
from pathlib import Path

project = "fxsim"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "myst_parser"]
exclude_patterns = ["*.ipynb"]
root_doc = "README"
html_theme = "alabaster"
html_show_copyright = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
myst_heading_anchors = 3
TABLE = re.compile(r"\S {2,}\S")


def tables_as_they_are(app, what, name, obj, options, lines):
    """Docstrings list parameters and files in columns: such paragraphs, and what is indented, stay as they are written."""
    paragraphs = [block.split("\n") for block in re.split(r"\n{2,}", "\n".join(lines).rstrip())]
    written = []
    for paragraph in paragraphs:
        plain = not any(TABLE.search(line) or line.startswith(" ") for line in paragraph)
        written += [*paragraph, ""] if plain or paragraph[0].startswith(">>>") else ["::", "", *(f"    {line}" for line in paragraph), ""]
    lines[:] = written


def setup(app):
    app.connect("autodoc-process-docstring", tables_as_they_are)
    app.connect("source-read", _table_of_contents)


def _table_of_contents(app, name, source):
    """The first page lists the others by links; Sphinx wants a tree of them, too."""
    if name == root_doc:
        pages = sorted(path.stem for path in Path(app.srcdir).iterdir() if path.suffix in (".md", ".rst") and path.stem != root_doc)
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"
