"""The peer's network and the files larger than memory: sizes as said, and rows that a small one fills."""
import numpy as np
import pytest

from fxsim.bench import iteration, large_file, shd_like

pytestmark = pytest.mark.core


def test_the_peers_network_has_its_sizes_and_its_rate(monkeypatch):
    network = shd_like.network()
    sizes = {layer: network.topology.synapses(layer).size for layer in ("in", "rec", "out")}
    assert sizes == {"in": 700 * 256, "rec": 256 * 255, "out": 256 * 20} and (network.constants.beta > 0).all() and not network.topology.placed
    trials = shd_like.trials(2)
    assert trials.x.shape == (2, 1370, 700) and abs(trials.x.sum() / 2 / shd_like.SPIKES - 1) < 0.03
    assert [row["rule"] for row in iteration.default_rows("shd_like")] == ["eprop", "eprop"] and "shd_like" not in {row["task"] for row in iteration.default_rows()}


def test_its_synapse_updates_are_counted_densely(monkeypatch):
    for name, value in (("INPUTS", 5), ("NEURONS", 4), ("OUTPUTS", 3), ("STEPS", 20), ("SPIKES", 20)):
        monkeypatch.setattr(shd_like, name, value)
    monkeypatch.setattr(shd_like.trials, "__defaults__", (6,))
    row = iteration.measure_row("shd_like", "eprop", "q16", "oracle", 0, 1)
    assert tuple(row) == iteration.COLUMNS and row["synapse_updates_per_second"] * row["seconds_per_iteration"] == pytest.approx((5 * 4 + 4 * 3) * 20 * 6)


@pytest.mark.parametrize("kind", large_file.KINDS)
def test_drawn_files_are_read_as_they_were_drawn(kind, tmp_path, monkeypatch):
    if kind.endswith("h5"):
        pytest.importorskip("h5py")
    for name, value in (("SPIKES", 30), ("STEPS", 20), ("CHANNELS", 5), ("TOGETHER", 4)):
        monkeypatch.setattr(large_file, name, value)
    from fxsim.tasks.recordings import Clock, Recording
    large_file.write(tmp_path / kind, 10)
    found = Recording(str(tmp_path / kind), Clock("s", 1.0))
    assert found.size == found.facts.trials == 10 and [found.label(b) for b in range(10)] == list(range(10)) and found.facts.spikes.channels == 5
    spikes = np.zeros((10, 20, 5), np.uint8)
    for b in range(10):
        found.fill(spikes[b], b, 1)
    assert spikes.sum() > 100 and np.array_equal(spikes[:4], spikes[4:8])
