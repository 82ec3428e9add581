"""Lanes are what their names say: every operation equals Python's integers, in each lane, whatever order registers have."""
import numba as nb
import numpy as np
import pytest

from fxsim.engine.cpu import lane_order
from fxsim.engine.cpu.interleave import interleave
from fxsim.engine.cpu.lanes import held, loader, memory, put, repeating
from fxsim.engine.cpu.state import Handed
from fxsim.engine.cpu.words import OPERATIONS, all_at_most, less, positive, zero

COUNTS = (1, 8, 64)     # a scalar, lanes in natural order, lanes in unpacked order where registers hold 16 or 32 of them


def run(operation, count, *arrays, out):
    """``operation`` on lanes loaded from the arrays, 4 count elements each."""
    take, n = loader(count), len(arrays)
    a, b = arrays[0], arrays[-1]

    @nb.njit
    def unary(a, b, out):
        for o in range(0, out.size, count):
            put(out, o, operation(take(a, o)))

    @nb.njit
    def binary(a, b, out):
        for o in range(0, out.size, count):
            put(out, o, operation(take(a, o), take(b, o)))

    (unary if n == 1 else binary)(a, b, out)
    return out


def numbers(dtype, size, seed=0, low=None, high=None):
    limits = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(limits.min if low is None else low, (limits.max if high is None else high) + 1, size)
    values[:4] = (limits.min, limits.max, 0, max(limits.min, -1)) if low is None else (low, high, 0, 1)
    return values.astype(dtype)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("source, target", [("int16", "int32"), ("int16", "int64"), ("uint8", "int32"), ("uint16", "int32"), ("int8", "int16"),
                                            ("int32", "int64")])
def test_lanes_change_their_width_and_keep_their_place(count, source, target):
    a = numbers(source, 4 * count)
    add = OPERATIONS[f"add{target[3:]}"]
    assert run(add, count, a, np.zeros(a.size, source), out=np.zeros(a.size, target)).tolist() == a.tolist()


@pytest.mark.parametrize("count", COUNTS)
def test_what_fits_is_narrowed_to_the_same_place(count):
    a = numbers("int32", 4 * count, low=-40000, high=40000)
    clipped = run(OPERATIONS["min32"], count, a, np.full(a.size, 32767, np.int32), out=np.zeros(a.size, np.int32))
    halved = run(OPERATIONS["shr16"], count, clipped, np.full(a.size, 1, np.int32), out=np.zeros(a.size, np.int16))
    assert halved.tolist() == [min(x, 32767) >> 1 for x in a.tolist()]


@pytest.mark.parametrize("count", COUNTS)
def test_what_does_not_fit_loses_its_high_bits(count):
    a = numbers("int32", 4 * count)
    found = run(OPERATIONS["and16"], count, a, np.full(a.size, 0x7FF, np.int16), out=np.zeros(a.size, np.int16))
    assert found.tolist() == [x & 0x7FF for x in a.tolist()]


BINARY = {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "min": min, "max": max, "and": lambda x, y: x & y}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("bits, dtype", [(16, "int16"), (32, "int16"), (32, "int32"), (64, "int32")])
def test_operations_on_words(count, name, bits, dtype):
    a, b = numbers(dtype, 4 * count, 1), numbers(dtype, 4 * count, 2)
    found = run(OPERATIONS[f"{name}{bits}"], count, a, b, out=np.zeros(a.size, f"int{bits}"))
    wrap = lambda x: (x + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)      # noqa: E731
    assert found.tolist() == [wrap(BINARY[name](x, y)) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("count", COUNTS)
def test_products_and_sums_of_16_bit_words(count):
    a, b = numbers("int16", 64 * count, 1), numbers("int16", 64 * count, 2)
    pairs = list(zip(a.tolist(), b.tolist()))
    word = lambda dtype: np.zeros(a.size, dtype)        # noqa: E731
    assert run(OPERATIONS["narrowmul32"], count, a, b, out=word("int32")).tolist() == [x * y for x, y in pairs]
    assert run(OPERATIONS["mulhi16"], count, a, b, out=word("int16")).tolist() == [x * y >> 16 for x, y in pairs]
    assert run(OPERATIONS["mullo16"], count, a, b, out=word("int16")).tolist() == [(x * y + (1 << 15) & 0xFFFF) - (1 << 15) for x, y in pairs]
    assert run(OPERATIONS["ads16"], count, a, b, out=word("int16")).tolist() == [max(-32768, min(32767, x + y)) for x, y in pairs]
    b[:2] = -32767, 32767       # -32768 times itself is the one product whose rounded half fits no word
    rounded = [x * y + (1 << 14) >> 15 for x, y in zip(a.tolist(), b.tolist())]
    assert run(OPERATIONS["mulround16"], count, a, b, out=word("int16")).tolist() == rounded
    dot, pair, dotpair = OPERATIONS["dot32"], OPERATIONS["pair16"], OPERATIONS["dotpair32"]
    half = numbers("int16", 64 * count, 3, -16384, 16384)
    two = nb.njit(lambda x, y: dot(x, nb.int16(-3), y, nb.int16(1234)))
    assert run(two, count, half, b, out=word("int32")).tolist() == [-3 * x + 1234 * y for x, y in zip(half.tolist(), b.tolist())]
    of_pairs = nb.njit(lambda x, y: dotpair(pair(x, y), x, nb.int16(1234)))
    assert run(of_pairs, count, half, b, out=word("int32")).tolist() == [x * x + 1234 * y for x, y in zip(half.tolist(), b.tolist())]
    product = OPERATIONS["narrowmul32"]
    by_a_scalar = nb.njit(lambda x: product(nb.int16(-32768), x))
    assert run(by_a_scalar, count, a, out=word("int32")).tolist() == [-32768 * x for x in a.tolist()]


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_clipped_where_words_end(count):
    a, b = numbers("int32", 16 * count, 1), numbers("int32", 16 * count, 2)
    ends, total = np.iinfo(np.int32), a.astype(np.int64) + b
    assert run(OPERATIONS["ads32"], count, a, b, out=np.zeros(a.size, np.int32)).tolist() == np.clip(total, ends.min, ends.max).tolist()
    a = numbers("int32", 16 * count, low=-70000, high=70000)
    assert run(OPERATIONS["cut16"], count, a, out=np.zeros(a.size, np.int16)).tolist() == np.clip(a, -32768, 32767).tolist()


@pytest.mark.parametrize("lanes, side", [(1, 1), (8, 1), (8, 2), (16, 2), (64, 1), (64, 2)])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_held_words_come_back_to_their_lanes(lanes, side, dtype):
    """What is put lane by lane, or added up there, is found by loads of several neurons, beside words in natural order."""
    take, put_held, take_side = held(lanes, side)
    natural, total = loader(lanes), OPERATIONS["addFLT" if dtype == "float32" else f"add{dtype[3:]}"]

    @nb.njit
    def through(a, kept, out):
        for o in range(0, a.size, lanes):
            put_held(kept, o, total(take(kept, o), natural(a, o)))
        for o in range(0, a.size, lanes * side):
            put(out, o, take_side(kept, o))

    a, kept, out = np.arange(4 * lanes * side).astype(dtype), np.zeros(4 * lanes * side, dtype), np.zeros(4 * lanes * side, dtype)
    through(a, kept, out)
    through(a, kept, out)
    assert out.tolist() == (2 * a).tolist()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "float32"])
def test_comparisons_with_zero(count, dtype):
    a = numbers("int16", 4 * count, low=-2, high=2).astype(dtype)
    assert run(positive, count, a, out=np.zeros(a.size, np.uint8)).tolist() == [int(x > 0) for x in a.tolist()]
    assert run(zero, count, a, out=np.zeros(a.size, np.uint8)).tolist() == [int(x == 0) for x in a.tolist()]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_comparisons_of_words(count, dtype):
    a, b = numbers(dtype, 4 * count, 1), numbers(dtype, 4 * count, 2)
    a[-1] = b[-1]
    assert run(less, count, a, b, out=np.zeros(a.size, np.uint8)).tolist() == [int(x < y) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("lanes, together", [(1, 1), (8, 2), (8, 4), (16, 2), (16, 4), (32, 2)])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_loads_for_several_synapses(lanes, together, dtype):
    m, apart = memory(lanes, together, 5), 5
    take_each, take_same, spread, none_all = m.take_each, m.take_same, m.spread, m.none_all
    a, places = np.arange(400).astype(dtype), np.array([7, 100, 50, 201])

    @nb.njit
    def all_of_them(a, places, each, same, one, none):
        put(each, 0, take_each(a, places, 3))
        put(same, 0, take_same(a, 11))
        put(one, 0, spread(a, 2))
        put(none, 0, none_all(a))

    each, same, one, none = (np.ones(lanes * together, dtype) for _ in range(4))
    all_of_them(a, places, each, same, one, none)
    assert each.tolist() == [p + 3 + l for p in places[:together] for l in range(lanes)]
    assert same.tolist() == [11 + l for _ in range(together) for l in range(lanes)]
    assert one.tolist() == [2 + i * apart for i in range(together) for _ in range(lanes)]
    assert not none.any()


@pytest.mark.parametrize("lanes, together", [(1, 1), (8, 2), (16, 1)])
def test_stores_for_several_neurons(lanes, together):
    m, load = memory(lanes, together, 50), loader(lanes * together)
    put_each = m.put_each

    @nb.njit
    def store(a, out):
        put_each(out, 3, load(a, 0))

    a, out = np.arange(1, lanes * together + 1).astype(np.int16), np.zeros(100, np.int16)
    store(a, out)
    expected = np.zeros(100, np.int16)
    for i in range(together):
        expected[3 + 50 * i:][:lanes] = a[i * lanes:][:lanes]
    assert out.tolist() == expected.tolist()


@pytest.mark.parametrize("size, copies", [(1, 1), (8, 2), (8, 4), (16, 2)])
def test_what_is_loaded_once_repeats(size, copies):
    load, a = repeating(size, copies), np.arange(40, dtype=np.int16)

    @nb.njit
    def copied(a, out):
        put(out, 0, load(a, 5))

    out = np.zeros(size * copies, np.int16)
    copied(a, out)
    assert out.tolist() == copies * a[5:5 + size].tolist()


@pytest.mark.parametrize("count", [1, 8, 16, 32])
def test_one_lane_beyond_its_limit_is_found(count):
    load, magnitude = loader(count), OPERATIONS["abs32"]

    @nb.njit
    def within(a, limits):
        return all_at_most(magnitude(load(a, 0)), load(limits, 0))

    limits = np.arange(1000, 1000 + count).astype(np.int32)
    for place in range(count):
        for value in (-1000 - place, 1000 + place):
            a = np.zeros(count, np.int32)
            a[place] = value
            assert within(a, limits)
            a[place] += np.sign(value)
            assert not within(a, limits)


@pytest.mark.parametrize("group", [0, 16])
def test_other_orders_give_the_same_numbers(monkeypatch, group):
    """What processors without AVX2, and without AVX-512, run."""
    if lane_order.group() < group:
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(lane_order, "group", lambda: group)
    test_products_and_sums_of_16_bit_words(32)
    test_what_fits_is_narrowed_to_the_same_place(32)
    test_what_is_clipped_where_words_end(32)
    test_loads_for_several_synapses(8, 2, "int32")
    test_loads_for_several_synapses(16, 2, "int32")


@pytest.mark.parametrize("trials, count, size", [(1, 1, 5), (8, 8, 64), (5, 8, 24), (16, 16, 8), (11, 16, 40), (3, 16, 16), (32, 32, 8), (7, 8, 13)])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_trials_side_by_side(trials, count, size, dtype):
    values = np.random.default_rng(size).integers(0, 256, (trials, size)).astype(dtype)
    expected = np.zeros((size, count), dtype)
    expected[:, :trials] = values.T
    found = np.zeros(size * count, dtype)
    interleave(values, found, count)
    assert np.array_equal(found.reshape(size, count), expected)


def test_an_array_with_gaps_is_not_handed_to_a_kernel():
    with pytest.raises(ValueError, match="not contiguous"):
        Handed(np.zeros((4, 4))[:, 1])
