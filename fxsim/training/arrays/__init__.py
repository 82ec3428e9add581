"""Networks on arrays: no configuration, no run directory.

simulator   run, learn, record, save and load               streaming   a step at a time, in constant memory
"""
