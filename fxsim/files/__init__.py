"""Files: written whole or not at all, read without trust.

writing     atomic writes, locks on directories         archive     arrays of NumPy, checked before memory is given to them
"""
