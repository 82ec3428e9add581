"""Whatever happens to Lava: one clear error, no hang, no process, no shared memory and no scratch directory left behind."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fxsim.verify.random_case import arithmetic_for, random_case
from lava_backend.package import bare_package
from lava_backend.runtime import availability, session
from lava_backend.runtime.availability import why_not
from lava_backend.runtime.groups import SHARED_MEMORY, members
from quant import InputError, load_spec

from places import TESTS

needs_lava = pytest.mark.skipif(why_not() is not None, reason=f"Lava cannot run here: {why_not()}")


@pytest.fixture(scope="module")
def case():
    return random_case(np.random.default_rng(2), "diffusion")


@pytest.fixture
def package(case):
    arithmetic = arithmetic_for(case, load_spec("q16"))
    return bare_package("test", case.network, case.learning, arithmetic, arithmetic.weights_to_raw(case.network.weights))


def few(case):
    return case.trials.take(slice(0, 2))


def assert_nothing_left(child, group):
    assert members(group) == []
    assert list(SHARED_MEMORY.glob(f"{child.prefix}*")) == []
    assert not child.scratch.exists()


@needs_lava
def test_orderly_end_leaves_nothing(case, package):
    with session.Session(package) as lava:
        child, group = lava.child, lava.child.process.pid
        assert list(SHARED_MEMORY.glob(f"{child.prefix}*")) and len(members(group)) > 5
        lava.run(few(case))
    assert_nothing_left(child, group)


@needs_lava
def test_failing_model_is_one_error_that_names_it(case, package, monkeypatch):
    monkeypatch.setattr(session, "WORKER", "failing_worker")
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "lava_backend"))
    lava = session.Session(package, timeout=60)
    child, group = lava.child, lava.child.process.pid
    with pytest.raises(session.LavaError, match="^lava: Grid: ZeroDivisionError: seven$"):
        lava.run(few(case))
    assert_nothing_left(child, group)


@needs_lava
@pytest.mark.parametrize("victim", ["worker", "process"])
def test_killed_process_is_one_error(case, package, victim):
    lava = session.Session(package, timeout=60)
    child, group = lava.child, lava.child.process.pid
    os.kill(group if victim == "worker" else max(members(group)), signal.SIGKILL)
    with pytest.raises(session.LavaError, match="killed"):
        lava.run(few(case))
    assert_nothing_left(child, group)


@needs_lava
def test_silence_ends_after_the_timeout(case, package):
    lava = session.Session(package)
    child, group = lava.child, lava.child.process.pid
    os.kill(max(members(group)), signal.SIGSTOP)
    lava.timeout, start = 1.0, time.monotonic()
    with pytest.raises(session.LavaError, match="no answer for 1 s"):
        lava.run(few(case))
    assert time.monotonic() - start < 8
    assert_nothing_left(child, group)


@needs_lava
def test_child_that_cannot_start_says_what_it_printed_last(package, monkeypatch):
    monkeypatch.setattr(session, "WORKER", "no_such_module")
    with pytest.raises(session.LavaError, match="killed .*No module named no_such_module"):
        session.Session(package)


PARENT = """
import sys, numpy as np
from fxsim.verify.random_case import arithmetic_for, random_case
from lava_backend.package import bare_package
from lava_backend.runtime.session import Session
from quant import load_spec
case = random_case(np.random.default_rng(2), "diffusion")
arithmetic = arithmetic_for(case, load_spec("q16"))
lava = Session(bare_package("test", case.network, case.learning, arithmetic, arithmetic.weights_to_raw(case.network.weights)))
print(lava.child.process.pid, lava.child.prefix, lava.child.scratch, flush=True)
while True:
    lava.run(case.trials)
"""


@needs_lava
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_end_of_the_parent_ends_lava(number):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    group, prefix, scratch = parent.stdout.readline().split()
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    until = time.monotonic() + 20
    while (members(int(group)) or Path(scratch).exists() or list(SHARED_MEMORY.glob(f"{prefix}*"))) and time.monotonic() < until:
        time.sleep(0.05)
    assert members(int(group)) == [] and not Path(scratch).exists() and list(SHARED_MEMORY.glob(f"{prefix}*")) == []


def test_missing_lava_says_why_and_what_to_do(package, monkeypatch):
    def version(name):
        raise availability.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(availability.metadata, "version", version)
    monkeypatch.setattr(availability.sys, "version_info", (3, 12, 1))
    with pytest.raises(InputError, match="found no lava-nc on Python 3.12 .*, allowed: lava-nc 0.10 on Python 3.10"):
        session.Session(package)
