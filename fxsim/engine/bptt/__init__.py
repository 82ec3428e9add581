"""Backpropagation through time on the CPU: forward as the CPU engine, back by the adjoint of :mod:`fxsim.model.adjoint`.

kernels     a template: a segment of steps forward, and back      state       what the way back works on
block       a block of trials forward and back                    segments    how a long trial is cut to fit the memory
engine      all blocks, behind the interface of an engine

The PyTorch reference (fxsim.reference) is what it is held against. Read fxsim.model.adjoint, then kernels.
"""
