"""Interval arithmetic contains every result, and notes the widest."""
import pytest
from hypothesis import given, strategies as st

from quant.interval import Interval, interval_max, interval_min
from quant.rounding import ROUNDINGS, saturate, wrap

pytestmark = pytest.mark.core

ENDS = st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)).map(sorted)
EXPRESSIONS = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: 3 - a, lambda a, b: a * b, lambda a, b: a * b - (a << 3), lambda a, b: (a * b) >> 2, lambda a, b: -a + 7,
    lambda a, b: abs(a) + b, lambda a, b: (a & 15) + b, lambda a, b: (a < b) * 5, lambda a, b: (a > 0) * b, lambda a, b: (a - 5) // 3,
    *(lambda a, b, f=f: f(a * b, 4, 77, b) for f in ROUNDINGS.values()), lambda a, b: wrap(a * b, -128, 127)]


@given(a=ENDS, b=ENDS, which=st.sampled_from(range(len(EXPRESSIONS))), x=st.floats(0, 1), y=st.floats(0, 1))
def test_every_result_lies_inside(a, b, which, x, y):
    inside = [lo + round((hi - lo) * share) for (lo, hi), share in ((a, x), (b, y))]
    bound = EXPRESSIONS[which](Interval(*a), Interval(*b))
    assert bound.lo <= int(EXPRESSIONS[which](*inside)) <= bound.hi


@given(a=ENDS, share=st.floats(0, 1))
def test_minimum_maximum_and_clipping(a, share):
    x = a[0] + round((a[1] - a[0]) * share)
    clipped = interval_min(interval_max(Interval(*a), -50), 60)
    assert clipped.lo <= saturate(x, -50, 60) <= clipped.hi and -50 <= clipped.lo and clipped.hi <= 60


@given(a=ENDS, b=ENDS, x=st.floats(0, 1), y=st.floats(0, 1))
def test_a_quotient_lies_inside_or_the_division_is_refused(a, b, x, y):
    if b[0] <= 0 <= b[1]:
        with pytest.raises(ZeroDivisionError):
            Interval(*a) // Interval(*b)
    else:
        bound = Interval(*a) // Interval(*b)
        assert bound.lo <= (a[0] + round((a[1] - a[0]) * x)) // (b[0] + round((b[1] - b[0]) * y)) <= bound.hi


TWO = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "<": lambda a, b: a < b, ">": lambda a, b: a > b}
ONE = {"-": lambda a: -a, "abs": abs, "5 -": lambda a: 5 - a, "<<": lambda a: a << 2, ">>": lambda a: a >> 1, "//": lambda a: a // 3, "< 0": lambda a: a < 0}


def test_single_operations_have_the_narrowest_bounds():
    """All intervals within -3 to 3, all values in them: no result lies outside, and both bounds are results."""
    intervals = [(low, high) for low in range(-3, 4) for high in range(low, 4)]
    for a in intervals:
        for name, operation in ONE.items():
            values, bound = [int(operation(x)) for x in range(a[0], a[1] + 1)], operation(Interval(*a))
            assert (bound.lo, bound.hi) == (min(values), max(values)), (name, a)
        for b in intervals:
            for name, operation in TWO.items():
                values = [int(operation(x, y)) for x in range(a[0], a[1] + 1) for y in range(b[0], b[1] + 1)]
                bound = operation(Interval(*a), Interval(*b))
                assert (bound.lo, bound.hi) == (min(values), max(values)), (name, a, b)


def test_what_would_prove_nothing_is_refused():
    with pytest.raises(TypeError, match="truth value"):     # Python's own max() branches
        max(Interval(0, 5), Interval(3, 4))
    with pytest.raises(ValueError, match="holds nothing"):
        Interval(2, 1)
