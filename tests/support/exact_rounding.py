"""What the deterministic roundings mean, on exact fractions."""
import math
from fractions import Fraction

EXACT = {"floor": math.floor, "toward_zero": math.trunc, "nearest_even": round, "nearest_up": lambda x: math.floor(x + Fraction(1, 2))}
