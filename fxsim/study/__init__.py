"""Many runs: what is compared, run side by side, and kept in tables.

plan        a study's YAML and its runs             sweep       makes them; store: their tables
figure      what a study asks to be drawn           drawn       values drawn at random for a block's runs
estimate    what a sweep takes                          statistics/ what is said from paired runs
comparison  rule x precision x seed, paired         jobs        runs in processes, on cores or a cluster
formats/    what formats do to gradients; formats from ranges   demo        what ``make demo`` trains
allocation/ word bits of all quantities for a loss, a memory or an energy

Read plan, then sweep.
"""
