"""Kernels that are given the numbers of the formats when they run: one for many sets of formats, each to the oracle's bits."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fxsim.engine.build.module import module_text
from fxsim.engine.cpu.engine import TEMPLATE, WATCHING, CpuEngine
from fxsim.engine.cpu.variant import Variant
from fxsim.engine.registry import make_engine
from fxsim.verify.backends import NOT_STORED, compare_records, compare_results, compare_telemetry
from fxsim.verify.random_case import arithmetic_for, cut, random_case, random_spec
from quant import QFormat, load_spec
from quant.rounding import ROUNDINGS
from quant.spec import is_shipped

from checked_kernels import load_checked, use_checked_kernels

ONE_LANE = Variant(lanes=1, together=1, chunk=1, unroll=1, general=True)
CASE = cut(random_case(np.random.default_rng(21), "diffusion"), 1, 14)
NEURON = ("membrane", "adaptation", "trace", "pseudo_derivative", "readout_trace", "readout")      # roundings are given, too
SYNAPSE = ("eligibility", "filtered_eligibility", "adaptation_eligibility", "gradient")


def built(arithmetic, variant=ONE_LANE):
    return module_text(arithmetic, CASE.network, variant, TEMPLATE)


def agrees(arithmetic, engine, **watched):
    """Whether an engine finds what the oracle does; with records or telemetry, in these too."""
    weights = arithmetic.weights_to_raw(CASE.network.weights)
    oracle = make_engine("oracle", CASE.network, CASE.learning, arithmetic, CASE.seed)
    expected, found = oracle.run(weights, CASE.trials, **watched), engine.run(weights, CASE.trials, **watched)
    return compare_results(expected, found) is None and (not watched or compare_records(expected.record, found.record, NOT_STORED) is None
                                                         and compare_telemetry(expected.telemetry, found.telemetry) is None)


@st.composite
def formats_of_one_structure(draw):
    """q16 with other widths, binary points, signs and roundings of neurons' quantities, to the edges of what one kernel takes: two bits a
    word or all, no fraction bits or fewer than none."""
    changes = {}
    for quantity in NEURON:
        fmt = load_spec("q16")[quantity]
        bits = draw(st.sampled_from([2, 3, 7, fmt.word_bits - 1, fmt.word_bits]))
        fraction = fmt.frac_bits - draw(st.integers(0, fmt.word_bits)) if quantity != "readout" else draw(st.integers(2, fmt.frac_bits))
        changes[quantity] = {"word_bits": bits, "frac_bits": fraction, "rounding": draw(st.sampled_from(["floor", "nearest_up", "nearest_even", "stochastic"]))}
    return load_spec("q16").changed(changes)


@pytest.mark.core
@settings(max_examples=10, deadline=None)
@given(spec=formats_of_one_structure())
def test_one_kernel_is_fed_many_formats_in_a_row_and_agrees_with_the_oracle(spec):
    """One module object for all examples whose text it is; operations are checked for words that overflow."""
    arithmetic = arithmetic_for(CASE, spec)
    if arithmetic is None:
        return
    source = built(arithmetic)
    with pytest.MonkeyPatch.context() as patch:
        use_checked_kernels(patch)
        engine = CpuEngine(CASE.network, CASE.learning, arithmetic, CASE.seed, 1, ONE_LANE)
        engine._modules[ONE_LANE], engine._given[ONE_LANE] = LOADED.setdefault(source.text, load_checked(source.text)), (source.numbers,)
        assert agrees(arithmetic, engine)


LOADED: dict = {}


@pytest.mark.core
def test_widths_and_roundings_of_neurons_share_a_kernel():
    texts = {built(arithmetic_for(CASE, load_spec("q16").changed({quantity: {"word_bits": bits, "rounding": rounding}}))).text
             for quantity, bits, rounding in [("membrane", 3, "floor"), ("membrane", 10, "stochastic"), ("readout_trace", 6, "nearest_even"), ("pseudo_derivative", 4, "floor")]}
    assert len(texts) == 1


@pytest.mark.core
def test_one_text_watches_all_formats(monkeypatch):
    """Telemetry and records: presets, wide and narrow words, all roundings and overflows."""
    use_checked_kernels(monkeypatch)
    specs = [load_spec("q32"), *(random_spec(np.random.default_rng(seed), rounding) for seed, rounding in enumerate([*ROUNDINGS, None]))]
    arithmetics = [a for a in (arithmetic_for(CASE, spec) for spec in specs) if a is not None]
    assert len(arithmetics) > 3 and len({built(a, WATCHING).text for a in arithmetics}) == 1
    for arithmetic in arithmetics:
        assert agrees(arithmetic, CpuEngine(CASE.network, CASE.learning, arithmetic, CASE.seed, 1), record=True, telemetry=True)


@pytest.mark.parametrize("kind", ["shift of membrane", "largest pseudo_derivative", "what eligibility adds before it shifts",
                                  "shift of filtered_eligibility", "largest gradient", "mask of random bits of adaptation"])
def test_a_wrong_number_is_seen(kind, monkeypatch):
    """A shift, a limit, a rounding constant and a mask of random bits, each broken."""
    use_checked_kernels(monkeypatch)
    arithmetic = arithmetic_for(CASE, load_spec("q16").changed({"gradient": {"word_bits": 20, "frac_bits": 20}, "pseudo_derivative": {"word_bits": 15, "frac_bits": 15}}))
    engine = CpuEngine(CASE.network, CASE.learning, arithmetic, CASE.seed, 1, ONE_LANE)
    assert agrees(arithmetic, engine)
    names = [line.split(": ", 1)[1] for line in built(arithmetic).text.splitlines() if line.startswith("# numbers[")]
    (numbers,) = engine.given(ONE_LANE)
    index = names.index(kind)
    numbers[index] = numbers[index] - 1 if kind.startswith("shift") else numbers[index] // 8 if kind.startswith("largest") else 0
    assert not agrees(arithmetic, engine)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_any_formats_agree_when_they_are_given(seed, monkeypatch):
    use_checked_kernels(monkeypatch)
    rng = np.random.default_rng(seed)
    case = cut(random_case(rng), 1, 10)
    arithmetic = arithmetic_for(case, random_spec(rng))
    if arithmetic is None:
        return
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials)
    assert compare_results(expected, CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, ONE_LANE).run(weights, case.trials)) is None


@pytest.mark.core
def test_shipped_formats_are_written_into_their_kernels_and_others_are_given():
    q16 = load_spec("q16")
    changed = q16.replace("q16", membrane=QFormat(12, 7, True, "nearest_up"))
    assert is_shipped(q16.replace("another name")) and not is_shipped(changed)
    engines = [CpuEngine(CASE.network, CASE.learning, arithmetic_for(CASE, spec), CASE.seed, 1) for spec in (q16, changed)]
    assert [engine.variant(64).general for engine in engines] == [False, True]
