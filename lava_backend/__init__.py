"""Home of the Lava backend: the same network as Lava processes, for simulation and deployment.

Nothing is implemented here yet; importing this package needs no Lava. The simulator lives in :mod:`fxsim`, its formats in
:mod:`quant`.
"""
