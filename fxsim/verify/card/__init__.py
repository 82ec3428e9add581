"""The CUDA engine on this machine's GPU: ``fxsim verify gpu``. Read :mod:`fxsim.verify.card.run` first.

checks    jobs that compare: random networks, the paper's networks, floats, a training
timing    seconds of kernels and iterations, one process a network, beside the model
run       shares the jobs out over processes, then takes the times one after the other
report    tables, README.md and results.json
"""
