"""What formats do to gradients and need of bits.

align           how gradients agree, along a training or at its ends
calibration     formats from observed ranges        minimise    the fewest bits

Read align.
"""
