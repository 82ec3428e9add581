"""Files: written whole or not at all, over nothing that is not ours; read without trust.

writing     atomic writes, locks on directories         archive     arrays of NumPy, checked before memory is given to them
ownership   what may be written over
"""
