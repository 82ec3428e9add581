"""How well gradients agree: of a rule with BPTT, of fixed point with float.

measures    cosine, ratio of norms, equal signs and bias of two gradients, with intervals over trials
gradients   of any rule in any precision at the same weights, a group of trials at a time
rows        which pairs are compared, and the table that they make

Read measures, then rows.
"""
