"""The CUDA engine.

engine      the engine                                  kernels     a template (text, never imported): one trial a block
plan        what lies where on a device                 words, sum      words on a device and under Numba's simulator; the sum over trials
trial_kernels, lane_plan, lanes     the same three for many trials, 32 in the lanes of a warp: template, plan, launches
device      whether there is a GPU                      compile, model          without one: registers and spills, modelled seconds
emulator/   a device in NumPy that runs the compiled kernels

Read engine, then kernels.
"""
