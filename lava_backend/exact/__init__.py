"""The network as Lava processes, learning included, equal to the oracle to the bit: they compute with the oracle's parts.

circuit     the processes, connected                        trial_model     trials within Lava's endless time steps
source, layer, readout, grid, sink      a process each      engine          all of it behind the interface of fxsim's engines

Read circuit, then layer.
"""
