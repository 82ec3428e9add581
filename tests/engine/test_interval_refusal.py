"""Formats whose intermediates could overflow are refused by name, before anything runs."""
import numpy as np
import pytest

from fxsim.config import load_config
from fxsim.engine.build.module import proof_for
from fxsim.engine.registry import make_engine
from fxsim.model.arithmetic import Arithmetic, make_arithmetic
from fxsim.model.topology import build_network, learning_of
from fxsim.verify.random_case import random_case
from quant import InputError, QFormat, load_spec, preset_names

pytestmark = pytest.mark.core


@pytest.fixture
def case():
    return random_case(np.random.default_rng(1), "diffusion")


def _arithmetic(case, **formats):
    spec = load_spec("q16").replace("mine", **formats)
    return Arithmetic("mine", spec, case.network.constants, case.learning, case.trials.steps)


def test_shipped_16_bit_formats_run_in_32_bit_words(case):
    proof = proof_for(_arithmetic(case), case.network)
    assert all(proof.bits(name) <= 32 for name in ("membrane", "trace", "eligibility", "filtered_eligibility", "adaptation_eligibility", "gradient"))


@pytest.mark.parametrize("rule", ["eprop", "diffusion"])
@pytest.mark.parametrize("task", ["cue_accumulation", "delayed_match", "pattern_generation"])
def test_every_shipped_precision_fits_every_shipped_network(task, rule):
    config = load_config(task, [f"learning.rule={rule}"])
    network = build_network(config)
    for name in preset_names():
        proof_for(make_arithmetic(name, network, learning_of(config), config.task.steps), network)


def test_wider_formats_get_wider_words(case):
    assert proof_for(_arithmetic(case, filtered_eligibility=QFormat(24, 16)), case.network).bits("filtered_eligibility") > 32


@pytest.mark.parametrize("engine", ["oracle", "cpu", "lava"])
@pytest.mark.parametrize("quantity, fmt", [("membrane", QFormat(32, 60)), ("gradient", QFormat(32, 64)), ("eligibility", QFormat(32, 62)),
                                           ("readout", QFormat(32, 64)), ("modulator", QFormat(32, 31))])
def test_formats_that_overflow_64_bits_are_refused_by_name(case, quantity, fmt, engine):
    with pytest.raises(InputError) as error:
        make_engine(engine, case.network, case.learning, _arithmetic(case, **{quantity: fmt, "feedback": QFormat(32, 8)}))
    assert "mine: quantities." in str(error.value) and quantity in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("quantity, frac", [("membrane", 52), ("gradient", 42), ("eligibility", 42)])
def test_63_bits_are_accepted_and_64_are_not(case, quantity, frac):
    """One fraction bit decides."""
    assert proof_for(_arithmetic(case, **{quantity: QFormat(32, frac)}), case.network)
    with pytest.raises(InputError, match="intermediates need 64 bits, allowed: at most 63"):
        proof_for(_arithmetic(case, **{quantity: QFormat(32, frac + 1)}), case.network)


def test_an_engine_that_joined_is_held_to_the_same_proof(case, monkeypatch):
    """Whatever it is: the proof is made before its constructor is called."""
    monkeypatch.setattr("fxsim.engine.registry._constructor", lambda name: pytest.fail)
    with pytest.raises(InputError, match="quantities.membrane"):
        make_engine("mine", case.network, case.learning, _arithmetic(case, membrane=QFormat(32, 60)))


def test_lava_is_not_started_for_formats_that_overflow(case):
    pytest.importorskip("lava")
    from lava_backend.package import bare_package
    from lava_backend.runtime.session import Session
    arithmetic = _arithmetic(case, membrane=QFormat(32, 60))
    with pytest.raises(InputError, match="quantities.membrane"):
        Session(bare_package("mine", case.network, case.learning, arithmetic, arithmetic.weights_to_raw(case.network.weights)))


def test_a_rate_error_finer_than_its_quotient_is_refused(case):
    """Beyond 37 bits it would not be the exact quotient, rounded once."""
    assert proof_for(_arithmetic(case, rate_error=QFormat(32, 37)), case.network)
    with pytest.raises(InputError, match="rate_error.frac_bits: found 38, allowed: at most 37"):
        proof_for(_arithmetic(case, rate_error=QFormat(32, 38)), case.network)


@pytest.mark.parametrize("frac", [1, 36])
def test_a_softmax_readout_needs_a_sensible_binary_point(case, frac):
    learning = type(case.learning)(**{**case.learning.__dict__, "classification": True})
    spec = load_spec("q16").replace("mine", readout=QFormat(16, frac))
    arithmetic = Arithmetic("mine", spec, case.network.constants, learning, case.trials.steps)
    with pytest.raises(InputError, match="readout.frac_bits"):
        proof_for(arithmetic, case.network)
