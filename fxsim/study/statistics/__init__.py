"""What can be said from runs that are paired by seed.

outcome     of one run, and of many: tails, means and intervals, crossings of a level
verdicts    equivalent, worse, better or undecided, for a family of questions at once
sequential  a paired test that may be looked at after every seed
ranks       whether a measure of gradients ranks what training comes to
contrasts   what a study asks (its section ``statistics``), and the differences that answer it
"""
