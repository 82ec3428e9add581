"""Speed, measured and modelled.

iteration   seconds of a training iteration         twins       fixed point against float32, in turns
scaling     larger networks and batches             latency     start, and the first iteration
whole_run   what a run takes beside its updates     shd_like    the network that a peer is timed with
large_file  trials of files larger than memory
cpu_profile where the CPU engine's time goes        cuda_bench  tables of the CUDA kernels and of their model
"""
