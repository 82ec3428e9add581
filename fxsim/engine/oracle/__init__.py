"""The oracle: the model's equations in NumPy on exact numbers. It is the specification that every engine is held against.

oracle      the equations, a class for each part of the network         exact       numbers that know their binary point

Read oracle.
"""
