"""Runs with checkpoints, for all tests of this room."""
import signal

import pytest

import fxsim
from fxsim.training.interrupts import Interrupted
from fxsim.training.loop import Training

from checkpointed import files, quick, raising


@pytest.fixture(autouse=True)
def signals_as_in_a_terminal():
    """A test run in the background of a shell script ignores SIGINT, and so would what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    fxsim.train(quick(), directory)
    return directory


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stopped after 5 of 8 updates, with checkpoints of 4 and 5."""
    directory = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "update", raising(signal.SIGTERM, Training.update, 6))
        with pytest.raises(Interrupted):
            fxsim.train(quick(), directory)
    assert [p.stem for p in files(directory)] == ["iteration-000000005", "iteration-000000004"]
    return directory


@pytest.fixture
def copy(stopped, tmp_path):
    """A copy of ``stopped`` to do harm to."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for path in [stopped / "config.yaml", *files(stopped)]:
        (tmp_path / "run" / path.relative_to(stopped)).write_bytes(path.read_bytes())
    return tmp_path / "run"


@pytest.fixture(scope="module")
def training():
    return Training(quick())
