"""The CPU engine: trials side by side in SIMD lanes, blocks of trials on threads.

engine      the engine                                  block, state, interleave    a block of trials and its arrays
kernels     the template (text, never imported)         variant     builds of it, and how they are written
words, lanes, lane_order, compiler      SIMD and what else Numba does not offer by itself      sharing     threads on one block

Read engine, then kernels.
"""
