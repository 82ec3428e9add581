"""What formats do to gradients and need of bits.

align           how gradients agree, along a training or at its ends
histograms      of the magnitudes of all stored values;     ranges      of a network, in several precisions
sensitivity     bits that each quantity needs, from points: one format, one gradient
calibration     formats from observed ranges

Read align.
"""
