"""The float reference: the model in PyTorch, written from its equations and for reading, float32 or float64.

It shares no arithmetic with the simulator, so that each can be held against the other; outside vectors anchor it
(:mod:`fxsim.verify.golden`). Read in this order:

* :mod:`.model` the forward pass, :class:`ReferenceModel`, on the spike of :mod:`.spike`
* :mod:`.signal` loss, error, learning signal and the diffusing neuromodulator
* :mod:`.eligibility` the gradients of e-prop and of its diffusing variants, by recursion
* :mod:`.gradients` every rule's gradients, BPTT by autograd, and training with Adam
* :mod:`.engine` the same behind the interface of the training loop

Importing this package imports torch.
"""
from .engine import ReferenceEngine, ReferenceResult
from .gradients import adam_steps, gradients
from .model import ReferenceModel, Trajectories

__all__ = ["ReferenceEngine", "ReferenceModel", "ReferenceResult", "Trajectories", "adam_steps", "gradients"]
