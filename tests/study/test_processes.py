"""Processes beside this one: how many work at a time, and when one has had enough."""
import os

import pytest

from fxsim.training import processes as module
from fxsim.training.interrupts import interruptible
from fxsim.training.processes import ENOUGH, in_turns, processes

from compiling import compiled_so_many

pytestmark = pytest.mark.core


def refused(number):
    raise ValueError(number)


def test_a_process_that_has_compiled_enough_is_replaced():
    with interruptible() as interrupts, processes(1, interrupts) as submit:
        seen = [submit(compiled_so_many, count).result() for count in (0, ENOUGH - 1, 1, 0, ENOUGH, 0)]
    assert seen[0] == seen[1] == seen[2] != seen[3] and seen[3] == seen[4] != seen[5] and os.getpid() not in seen


def test_in_turns_keeps_so_many_at_work_and_raises_what_work_raises(monkeypatch):
    running, most = [], []

    class Now:
        def __init__(self, value):
            self.value = value

        def result(self):
            running.remove(self)
            return self.value

    def submit(function, argument):
        running.append(Now(function(argument)))
        most.append(len(running))
        return running[-1]
    monkeypatch.setattr(module, "wait", lambda futures, return_when: type("Done", (), {"done": [next(iter(futures))]}))
    assert list(in_turns(submit, str, range(5), 2)) == [0, 1, 2, 3, 4] and max(most) == 2
    with pytest.raises(ValueError, match="3"):
        list(in_turns(submit, refused, [3], 2))
