"""A CUDA device in NumPy: runs the compiled kernels' PTX, finds every conflict between threads, counts instructions.

ptx         reads PTX               gpu         runs it             emulated    the engine on that device           counts      what a step costs
"""
