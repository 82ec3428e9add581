"""Training one network: the loop, and what a run leaves on disk.

loop        trials, gradients, weights, evaluations         backend     an engine and the units of its weights
optimizers  Adam; integer SGD and AdaMax                    metrics     loss, accuracy, nMSE, rate
runs        a run directory                                 checkpoints     its state on disk, to the bit
interrupts, progress    signals as one exception; what a terminal shows
simulator, streaming    the same on a user's arrays; one trial a step at a time

Read loop, then runs.
"""
