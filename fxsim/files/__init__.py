"""Files: written whole or not at all, over nothing that is not ours; read without trust.

writing     atomic writes, locks on directories         archive     arrays of NumPy, checked before memory is given to them
ownership   what may be written over
cache       what was built, for later processes                machine_code    what Numba made of it
pictures    figures of Matplotlib, to files only
"""
from fxsim.errors import require_posix

require_posix()     # before the first import that only it has
