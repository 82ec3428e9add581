"""What tests have done in other processes."""
import os

from fxsim.files import machine_code


def compiled_so_many(count):
    """Where this was called, after so many kernels were compiled there."""
    machine_code.compiled += count
    return os.getpid()
