"""The CUDA engine.

engine      the engine                                  kernels     the template (text, never imported)
plan        what lies where on a device                 words, sum, simulated   operations, the sum over trials, Numba's simulator
device      whether there is a GPU                      compile, model          without one: registers and spills, modelled seconds
emulator/   a device in NumPy that runs the compiled kernels

Read engine, then kernels.
"""
