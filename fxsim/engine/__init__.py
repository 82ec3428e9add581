"""Engines: they differ in how they compute, never in what.

interface    what an engine offers (Engine, Result)         registry    engines by name
oracle/      the same equations on exact numbers: the engine that is the specification
build/       writes fxsim.model.steps and a kernel template out as a module for one arithmetic; proves that nothing overflows
cpu/         the Numba CPU engine: trials side by side in SIMD lanes
bptt/        backpropagation through time on the CPU, in float
cuda/        the Numba CUDA engine, and emulator/, a device in NumPy that runs its compiled kernels

Read interface, then oracle/oracle, then build/module.
"""
