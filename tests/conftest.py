"""What holds for all tests. One that cannot run somewhere is skipped and says why."""
import gc
import os
import signal

from hypothesis import Phase, settings

settings.register_profile("fxsim", deadline=None)      # a busy machine is no fault of the code
settings.register_profile("ci", derandomize=True, deadline=None)       # the same examples in every run
settings.register_profile("mutants", derandomize=True, deadline=None, phases=(Phase.explicit, Phase.generate))      # fails at once: nothing is made smaller
settings.load_profile("ci" if os.environ.get("CI") else "fxsim")

# A shell that starts the tests in the background lets them ignore SIGINT, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:       # under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

gc.set_threshold(100_000, 50, 1000)     # compiling kernels makes millions of objects that live on: looking through them takes a tenth of the time
