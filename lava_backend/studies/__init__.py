"""Comparisons with Lava that end in files.

proof           the same training on both, to the bit       stock       what each loss of the neuron model costs
three_factor    what learns on Lava's learning engine       curves      pictures
"""
