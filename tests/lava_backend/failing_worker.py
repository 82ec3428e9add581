"""The Lava worker with a process model that fails at step 7, for the tests of what happens then."""
from lava_backend import worker
from lava_backend.exact.grid import GridModel

step = GridModel.step


def fail(self):
    if self.time_step == 7:
        raise ZeroDivisionError("seven")
    step(self)


GridModel.step = fail

if __name__ == "__main__":
    worker.main()
