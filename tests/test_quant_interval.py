"""Interval arithmetic contains every result that values from the intervals can produce."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.interval import Interval, Watch, interval_max, interval_min
from quant.rounding import ROUNDINGS

BINARY = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
          "max": lambda a, b: (interval_max if _any(a, b) else max)(a, b), "min": lambda a, b: (interval_min if _any(a, b) else min)(a, b)}
UNARY = {"neg": lambda a: -a, "abs": abs, "<<3": lambda a: a << 3, ">>2": lambda a: a >> 2, ">>40": lambda a: a >> 40, "//7": lambda a: a // 7,
         "//-3": lambda a: a // -3, "&31": lambda a: a & 31, "&1": lambda a: a & 1, "1-": lambda a: 1 - a, "5+": lambda a: 5 + a, "-2*": lambda a: -2 * a}


def _any(*values):
    return any(isinstance(v, Interval) for v in values)


pairs = st.tuples(st.integers(-1000, 1000), st.integers(0, 300)).map(lambda p: (p[0], p[0] + p[1]))
trees = st.recursive(st.integers(0, 3), lambda t: st.tuples(st.sampled_from(sorted(UNARY)), t) | st.tuples(st.sampled_from(sorted(BINARY)), t, t),
                     max_leaves=8)


def evaluate(tree, leaves, seen=None):
    """The expression on integers or intervals; ``seen`` collects every intermediate."""
    if isinstance(tree, int):
        value = leaves[tree]
    else:
        operation = UNARY.get(tree[0]) or BINARY[tree[0]]
        value = operation(*(evaluate(t, leaves, seen) for t in tree[1:]))
    if seen is not None:
        seen.append(value)
    return value


@given(tree=trees, ranges=st.tuples(pairs, pairs, pairs, pairs), data=st.data())
def test_results_and_intermediates_of_any_expression_lie_inside(tree, ranges, data):
    values = [data.draw(st.integers(lo, hi) | st.sampled_from([lo, hi])) for lo, hi in ranges]
    with Watch() as watch:
        result = evaluate(tree, [Interval(lo, hi) for lo, hi in ranges])
    seen: list = []
    exact = evaluate(tree, values, seen)
    assert result.lo <= exact <= result.hi
    assert watch.low <= min(seen) and max(seen) <= watch.high


@pytest.mark.parametrize("name", ROUNDINGS)
@given(y=pairs, base=pairs, s=st.integers(0, 12), data=st.data())
def test_roundings_run_on_intervals_and_contain_every_result(name, y, base, s, data):
    r = data.draw(st.integers(0, (1 << 31) - 1))
    inside = ROUNDINGS[name](data.draw(st.integers(*y)), s, r, data.draw(st.integers(*base)))
    result = ROUNDINGS[name](Interval(*y), s, Interval(0, (1 << 31) - 1), Interval(*base))
    assert result.lo <= inside <= result.hi


@given(a=pairs, b=pairs)
def test_single_operations_are_tight(a, b):
    """Both ends are attained, so nothing is refused without need."""
    A, B = Interval(*a), Interval(*b)
    corners = [(x, y) for x in a for y in b]
    assert ((A + B).lo, (A + B).hi) == (a[0] + b[0], a[1] + b[1])
    assert ((A - B).lo, (A - B).hi) == (a[0] - b[1], a[1] - b[0])
    assert ((A * B).lo, (A * B).hi) == (min(x * y for x, y in corners), max(x * y for x, y in corners))
    assert (abs(A).lo, abs(A).hi) == (min(abs(x) for x in range(a[0], a[1] + 1)), max(map(abs, a)))


@given(a=pairs, b=pairs, data=st.data())
def test_division_by_an_interval_contains_every_quotient_or_is_refused(a, b, data):
    if b[0] <= 0 <= b[1]:
        with pytest.raises(ZeroDivisionError):
            Interval(*a) // Interval(*b)
    else:
        quotient = Interval(*a) // Interval(*b)
        assert quotient.lo <= data.draw(st.integers(*a)) // data.draw(st.integers(*b)) <= quotient.hi


def test_an_interval_is_neither_true_nor_false():
    """Code with branches cannot be proven by running it once: it must fail, not take one branch."""
    with pytest.raises(TypeError):
        bool(Interval(0, 1))
    with pytest.raises(TypeError):
        max(Interval(0, 5), Interval(3, 4))


def test_the_ends_of_an_interval_are_in_order():
    with pytest.raises(ValueError):
        Interval(2, 1)


def test_watch_knows_which_machine_word_holds_everything():
    for lo, hi, bits in [(-128, 127, 8), (0, 128, 9), (-129, 0, 9), (0, (1 << 31) - 1, 32), (0, 1 << 31, 33), (-(1 << 31), 0, 32)]:
        with Watch() as watch:
            Interval(lo, hi)
        assert watch.fits(bits) and not watch.fits(bits - 1)


def test_watch_sees_intermediates_that_cancel():
    with Watch() as watch:
        (Interval(0, 1 << 20) << 20) >> 30
    assert watch.high == 1 << 40


def test_watches_nest_and_end():
    with Watch() as outer:
        with Watch() as inner:
            Interval(0, 5)
        Interval(0, 3)
    Interval(0, 100)
    assert (outer.high, inner.high) == (3, 5) and Watch.active is None
