"""Training one network: the loop, and what a run leaves on disk.

loop        trials, gradients, weights, evaluations         backend     an engine and the units of its weights
optimizers  Adam; integer SGD and AdaMax                    metrics     loss, accuracy, nMSE, rate
runs        a run directory                                 checkpoints     its state on disk, to the bit
initial     the network that a run begins with      evaluation      trained weights in other precisions
interrupts, progress    signals as one exception; what a terminal shows
arrays/     the same on a user's arrays; one trial a step at a time     processes       pools of them that signals end

Read loop, then runs.
"""
