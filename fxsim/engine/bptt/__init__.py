"""Backpropagation through time on the CPU, in float: the model's forward pass and its adjoint, compiled, on sparse connections and spikes.

adjoint     one trial forward and back, with the equations        engine      the same behind the interface of an engine

The PyTorch reference (fxsim.reference) is what it is held against. Read adjoint.
"""
