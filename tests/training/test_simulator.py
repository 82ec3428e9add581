"""The simulator on arrays: the bits of a training, of the other engines, and of a stream that takes a step at a time."""
import numpy as np
import pytest

import fxsim
from fxsim.config.learning import AdaMaxConfig
from fxsim.errors import InputError
from fxsim.training.arrays.simulator import UNITS, Simulator
from fxsim.training.loop import Training
from quant import QUANTITIES

from tiny import SHORT, tiny

pytestmark = pytest.mark.core
RULES = ["eprop", "diffusion", "shuffled_fixed", "shuffled_per_step"]
T, S = 40, 15


def simulator(**changes):
    network = fxsim.build_network(tiny("seed=3"))
    return Simulator(network, **{"precision": "q16", "engine": "oracle", "steps": T, "window": S, "seed": 7, **changes})


def spikes(trials=1, seed=0, steps=T):
    return (np.random.default_rng(seed).random((trials, steps, 80)) < 0.1).astype(np.uint8)


@pytest.mark.parametrize("precision", ["q16", "w8s16", "loihi2", "float32"])
@pytest.mark.parametrize("rule", RULES)
def test_a_stream_is_the_batch_to_the_bit(rule, precision):
    batch, stream = simulator(rule=rule, precision=precision), simulator(rule=rule, precision=precision)
    for trial, label in enumerate([0, 1, 1]):
        x = spikes(seed=trial)
        recorded = simulator(rule=rule, precision=precision)
        recorded.trials_seen = trial
        recorded.optimizer.restore(batch.optimizer.state())
        record = recorded.record(x, np.array([label]))
        z, y = zip(*(stream.step(x[0, t], label if t >= T - S else None) for t in range(T)))
        stream.end()
        batch.learn(x, np.array([label]))
        assert np.array_equal(z, record["z"][:, 0]) and np.array_equal(y, record["readout"][:, 0]) and np.any(z)
        state, same = batch.optimizer.state(), stream.optimizer.state()
        assert all(np.array_equal(state[name], same[name]) for name in state)
    assert any(np.any(batch.weights[layer] != simulator(rule=rule, precision=precision).weights[layer]) for layer in ("in", "rec"))


def test_a_regression_streams_too():
    batch, stream = (simulator(classification=False, optimizer=AdaMaxConfig(name="adamax", log2_rate=-4)) for _ in range(2))
    x, target = spikes(), np.sin(np.arange(S * 2)).reshape(S, 2)
    batch.learn(x, target[None])
    for t in range(T):
        stream.step(x[0, t], target[t - (T - S)] if t >= T - S else None)
    stream.end()
    assert all(np.array_equal(batch.weights[layer], stream.weights[layer]) for layer in batch.weights)


def test_its_updates_are_those_of_a_training():
    config = tiny(*SHORT, "precision=q16", "engine=oracle", "batch_size=3", "seed=5")
    training = Training(config)
    own = Simulator(training.network, "q16", "diffusion", steps=training.task.steps, window=training.task.window, k=config.learning.k, c_reg=config.learning.c_reg,
                    optimizer=config.learning.optimizer, engine="oracle", seed=5)
    for i in range(3):
        trials = training.task.training_trials(i)
        training.update(trials)
        measured = own.learn(trials.x, trials.target[:, 0].argmax(-1), trials.duration)
        assert measured["loss"] == training.result.curves[-1]["loss"]
    assert all(np.array_equal(own.optimizer.weights[layer], training.optimizer.weights[layer]) for layer in ("in", "rec", "out"))


def test_it_learns_and_goes_on_from_a_file(tmp_path):
    first, x, labels = simulator(), spikes(8), np.arange(8) % 2
    x[labels == 1, :, :40] |= spikes(8, 1)[labels == 1, :, :40]
    losses = [first.learn(x, labels)["loss"] for _ in range(10)]
    assert losses[-1] < losses[0]
    first.save(tmp_path / "state.npz")
    second = simulator()
    second.load(tmp_path / "state.npz")
    assert np.array_equal(first.run(x).readout, second.run(x).readout) and first.learn(x, labels) == second.learn(x, labels)
    assert first.trials_seen == second.trials_seen == 96
    for other, word in ((simulator(optimizer=AdaMaxConfig(name="adamax")), "m_in: found float64"), (simulator(precision="w4s8"), "words of weight_in")):
        with pytest.raises(InputError, match=word):
            other.load(tmp_path / "state.npz")


def test_records_have_every_quantity_with_its_unit():
    record = simulator().record(spikes(2), np.array([0, 1]))
    state = {q.name for q in QUANTITIES.values() if q.kind not in ("weight", "coefficient")} - {"feedback"}
    assert set(record) == state | {"z", "r"} and set(record) <= set(UNITS)
    assert record["membrane"].shape == (T, 2, 12) and record["error"].shape == (S, 2, 2) and record["modulator"].shape == (S, 2, 16)
    assert (record["z"].astype(bool) <= (record["membrane"] > 1)).all()         # potentials in units of the threshold
    assert "error" not in simulator().record(spikes(2))
    assert set(simulator(rule="eprop").record(spikes(2), np.array([0, 1]))) == set(record) - {"modulator"}


def test_memory_of_a_stream_does_not_grow():
    import tracemalloc
    own = simulator(steps=2000)
    x = spikes(steps=2000)[0]
    for t in range(100):
        own.step(x[t])
    tracemalloc.start()
    for t in range(100, 1500):
        own.step(x[t], 1)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 200_000      # a state, not 1400 of them


def test_what_cannot_be_is_one_line():
    own = simulator()
    x = spikes(2)
    for call, field in ((lambda: own.run(x[0]), "spikes"), (lambda: own.run(x[:, :, :5]), "spikes"), (lambda: own.run(x * 2), "spikes"), (lambda: own.run(x[:, :10]), "spikes"),
                        (lambda: own.run(np.full(x.shape, np.nan)), "spikes"), (lambda: own.learn(x, np.array([0, 2])), "targets"), (lambda: own.learn(x, np.zeros((2, S, 2))), "targets"),
                        (lambda: own.run(x, np.array([0, 5])), "durations"), (lambda: own.step(x[0]), "spikes_t"), (lambda: own.step(x[0, 0], 5), "targets"), (own.end, "step|end"),
                        (lambda: simulator(rule="bptt"), "rule"), (lambda: simulator(window=99), "window"), (lambda: simulator(k=1.5), "k"), (lambda: simulator(precision="q99"), "q99"),
                        (lambda: simulator(engine="gpu"), "engine"), (lambda: simulator(steps=True), "steps")):
        with pytest.raises(InputError, match=field) as refused:
            call()
        assert "\n" not in str(refused.value)
        own._stream = None


@pytest.mark.parametrize("engine, rule", [("oracle", "eprop"), ("oracle", "diffusion"), ("cpu", "diffusion"), ("cpu", "shuffled_per_step")])
def test_a_stream_with_five_readouts_is_the_batch_of_each_engine(engine, rule):
    """Neurons of both kinds in any order, feedback to some of them, and trials whose targets come as labels or not at all."""
    rng, n, K = np.random.default_rng(2), 8, 5
    network = fxsim.make_network(rng.normal(0, 0.9, (80, n)) * (rng.random((80, n)) < 0.4), rng.normal(0, 0.3, (n, n)) * (1 - np.eye(n)), rng.normal(0, 0.3, (n, K)),
                                 beta=rng.choice([0, 1.5], n), feedback=rng.normal(0, 0.3, (n, K)) * (rng.random((n, 1)) < 0.4), cells=rng.permutation(9)[:n], grid=(3, 3))
    batch, stream = (Simulator(network, "q16", rule, engine=engine, steps=T, window=S, seed=7) for _ in range(2))
    for trial, label in enumerate([4, 0, 3]):
        x = spikes(seed=trial)
        response = batch.run(x)
        y = [stream.step(x[0, t])[1] for t in range(T)]         # a trial without targets changes nothing
        stream.end()
        assert np.array_equal(response.readout[0], y[T - S:]) and response.spike_counts.sum() > 10
        batch.learn(x, np.array([label]))
        for t in range(T):
            stream.step(x[0, t], label if t >= T - S else None)
        stream.end()
        state, same = batch.optimizer.state(), stream.optimizer.state()
        assert all(np.array_equal(state[name], same[name]) for name in state)
    assert all((batch.weights[layer] != network.weights[layer]).any() for layer in batch.weights)
