"""The Lava backend: the same network, learning included, as processes of Lava (lava-nc 0.10), bit for bit; and its deployment.

package             a network on disk: weights, topology, formats, and a script   deployment   running it, held against the simulator
processes/          Source, Layer, Readout, Grid, Sink: they compute with the parts of fxsim.oracle
trial_model         trials within Lava's endless time steps                       circuit      the processes, connected
session, worker     Lava in a child process group: one error, nothing left        channels     Lava's channels without helper threads
loihi_lif, stock    Lava's own LIF and Sparse: the neuron mode that they are, export, training
three_factor        e-prop as a rule of Lava's learning engine; three_factor_sim: what that engine does, exactly; engine_circuit: on Lava;
                    engine_study: what learns on it
fit                 what a network needs, against what Loihi offers               proof        the same training on both, to the bit
engine              Lava behind the interface of fxsim's engines                  cli          fxsim export lava, fxsim lava ...

Read package, then processes/layer, then session. Only circuit, stock_circuit, engine_circuit, channels, trial_model and processes import Lava.
"""
