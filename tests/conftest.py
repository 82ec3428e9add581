"""Tests that need an optional package are left out, saying why, where it is not installed."""
import gc
import importlib.util
import os
import signal

from hypothesis import settings

settings.register_profile("fxsim", deadline=None)      # a busy machine is no fault of the code
settings.register_profile("ci", derandomize=True, deadline=None)       # the same examples in every run
settings.load_profile("ci" if os.environ.get("CI") else "fxsim")

TORCH_TESTS = ["test_reference.py", "test_training.py", "test_cli.py", "test_readme.py"]
collect_ignore = [] if importlib.util.find_spec("torch") else TORCH_TESTS


def pytest_report_header(config):
    return f"left out without torch: {', '.join(collect_ignore)}" if collect_ignore else "torch found: nothing is left out"

# A shell that starts the tests in the background lets them ignore SIGINT, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

gc.set_threshold(100_000, 50, 1000)     # compiling kernels makes millions of objects that live on: looking through them takes a tenth of the time
