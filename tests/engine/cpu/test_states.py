"""The builds that train, their own states: what a block holds when its trials end, every lane and synapse, against the oracle's last step."""
from dataclasses import replace

import numpy as np
import pytest

from fxsim.engine.cpu.engine import CpuEngine
from fxsim.engine.registry import make_engine
from fxsim.verify.backends import compare_results
from fxsim.verify.random_case import Kind, arithmetic_for, extreme_case, random_case
from quant import load_spec

CHUNKS = 64         # F and U of a last, shorter chunk go on to its end; a multiple of every chunk has none


def states(engine, weights, trials):
    """name -> (B, ...) of the blocks that run these trials, in the oracle's names and order. ``engine``: of a variant that does not depend on them."""
    variant, topology, parts = engine.variant(0), engine.network.topology, []
    for start in range(0, trials.size, variant.lanes):
        size = min(variant.lanes, trials.size - start)
        engine.run(weights, trials.take(slice(start, start + size)))
        block, = engine._blocks[variant, size, trials.steps, True, False, 1]
        state, lanes = block.state, block.kernels.LANES
        rows = lambda values, count: np.moveaxis(values.reshape(-1, lanes)[:count, :size], -1, 0).astype(np.int64)      # noqa: B023, E731
        found = {"V": rows(state.V, topology.n), "a": rows(state.a, topology.n), "r": rows(state.r, topology.n), "z": rows(state.z, topology.n),
                 "Z": rows(state.Z, topology.n), "X": rows(state.X, topology.n + topology.n_in), "y": rows(state.y, topology.n_out),
                 "M": rows(state.grid, topology.n_cells)}
        order = np.argsort(engine.tables.out["out"][2])
        found["Gout"] = rows(state.gout, topology.syn_out.size)[:, order]
        placed = np.flatnonzero(state.line < topology.n + topology.n_in)
        for name, values in (("U", state.U), ("F", state.F), ("Esum", state.S), ("G", state.G)):
            found[name] = np.zeros((size, engine.tables.wiring.size), np.int64)         # synapses of lines that never spiked: zero
            found[name][:, state.element[placed]] = rows(values, values.size // lanes)[:, placed]
        parts.append(found)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def last(record, adapts):
    """The same of a record. a of neurons that do not adapt is not computed."""
    found = {name: record[name][-1] for name in ("V", "a", "r", "z", "Z", "X", "y", "M", "Gout", "U", "F", "Esum")}
    return {**found, "G": record["G"][-2], "a": np.where(adapts, found["a"], 0)}        # G before the regularisation joins


@pytest.mark.parametrize("steps, window", [(CHUNKS, CHUNKS), (5 * CHUNKS, 70)])
@pytest.mark.parametrize("trials", [33, 5])
@pytest.mark.parametrize("draw", [random_case, extreme_case])
def test_every_state_of_the_builds_that_train(draw, trials, steps, window):
    """Lively networks, and words at their ends, over some hundred steps."""
    rng = np.random.default_rng(trials + steps)
    case = draw(rng, "diffusion", Kind(trials=(trials,), outputs=(2,), classification=True, steps=(steps, steps + 1)))
    case = replace(case, learning=replace(case.learning, window=window), trials=replace(case.trials, target=case.trials.target[:, :1].repeat(window, 1)))
    arithmetic = arithmetic_for(case, load_spec("q16"))
    weights = arithmetic.weights_to_raw(case.network.weights)
    expected = make_engine("oracle", case.network, case.learning, arithmetic, case.seed).run(weights, case.trials, record=True)
    engine = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1)
    assert compare_results(expected, engine.run(weights, case.trials)) is None
    adapts = case.network.constants.beta > 0
    same = CpuEngine(case.network, case.learning, arithmetic, case.seed, 1, engine.variant(trials))
    wanted, found = last(expected.record, adapts), states(same, weights, case.trials)
    found["a"] = np.where(adapts, found["a"], 0)
    assert set(wanted) == set(found) and all(wanted[name].any() for name in ("V", "X", "Z", "F"))
    for name, values in wanted.items():
        assert np.array_equal(values, found[name]), (name, np.argwhere(values != found[name])[0])
