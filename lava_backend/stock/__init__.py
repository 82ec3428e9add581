"""Lava's own LIF and Sparse processes: inference, on what has chip implementations.

loihi_lif   the neuron mode that they are, as an oracle     package     export and runs         circuit     the network on Lava
"""
