"""Networks are drawn as the model says, by seed."""
import numpy as np
import pytest

from fxsim.config import load_config
from fxsim.model.network import LAYERS
from fxsim.model.topology import build_network

pytestmark = pytest.mark.core


def network(*overrides, name="delayed_match"):
    return build_network(load_config(name, overrides))


def test_the_same_seed_gives_the_same_network_and_another_a_different_one():
    a, b, c = network("seed=3"), network("seed=3"), network("seed=4")
    assert all(np.array_equal(a.weights[layer], b.weights[layer]) for layer in LAYERS)
    assert np.array_equal(a.topology.cell, b.topology.cell) and not np.array_equal(a.topology.cell, c.topology.cell)


def test_a_choice_does_not_disturb_other_draws():
    a, b = network(), network("network.feedback=Random", "network.gains.readout=3")
    assert all(np.array_equal(a.weights[layer], b.weights[layer]) for layer in ("in", "rec"))


def test_neurons_sit_on_distinct_cells():
    cells = network("network.grid=[12,11]").topology.cell
    assert len(set(cells.tolist())) == 100 and 0 <= cells.min() and cells.max() < 132


def test_local_density_is_the_papers():
    density = [network(f"seed={s}").topology.syn_rec.size / 9900 for s in range(12)]
    assert np.mean(density) == pytest.approx(0.103, abs=0.004)


def test_local_connections_follow_the_distance_rule():
    """Against a plain evaluation of the rule, for one pair class: neighbours at coinciding first and last columns."""
    counts = np.zeros(2)
    for seed in range(40):
        topology = network(f"seed={seed}").topology
        row, col = np.divmod(topology.cell, 10)
        dense = topology.syn_rec.dense(np.ones(topology.syn_rec.size))
        same_place = (row[:, None] == row) & (((col[:, None] == 0) & (col == 9)) | ((col[:, None] == 9) & (col == 0)))
        counts += dense[same_place].sum(), same_place.sum()
    assert counts[0] / counts[1] == pytest.approx(0.5, abs=0.06)        # distance 0: probability 1/2


@pytest.mark.parametrize("connectivity", ["local", "sparse", "full"])
def test_no_neuron_connects_to_itself(connectivity):
    rec = network(f"network.connectivity={connectivity}").topology.syn_rec
    assert (rec.pre != rec.post).all() and rec.size == {"sparse": 990, "full": 9900}.get(connectivity, rec.size)


def test_masks_have_exactly_a_tenth_of_all_entries():
    topology = network().topology
    assert topology.syn_in.size == 800 and topology.syn_out.size == 20


def test_synapses_are_sorted_by_post_then_pre_without_repeats():
    for layer in LAYERS:
        s = network().topology.synapses(layer)
        order = s.post.astype(np.int64) * s.n_pre + s.pre
        assert (np.diff(order) > 0).all()


def test_weights_are_truncated_he_normal_times_the_gain():
    net = network("network.input_sparsity=1", "network.gains.input=2", "network.n_lif=400", "network.grid=[30,30]")
    w, std = net.weights["in"], 2 * np.sqrt(2 / 80)
    assert w.std() == pytest.approx(std, rel=0.02) and abs(w.mean()) < 0.02 * std
    assert np.abs(w).max() <= 2 * std / 0.87962566103423978 and np.abs(w).max() > 1.9 * std / 0.88


@pytest.mark.parametrize("kind", ["Symmetric", "Random", "Random_sparse"])
def test_feedback_matrices(kind):
    nets = [network(f"network.feedback={kind}", f"seed={s}") for s in range(6)]
    B = np.stack([net.feedback for net in nets])
    if kind == "Symmetric":
        assert all(np.array_equal(net.feedback, net.topology.syn_out.dense(net.weights["out"])) for net in nets)
    elif kind == "Random":
        assert (B != 0).all() and B.std() == pytest.approx(0.5, rel=0.1)
    else:
        assert (B != 0).mean() == pytest.approx(0.1, abs=0.03) and B[B != 0].std() == pytest.approx(1, rel=0.25)


def test_fan_in_stays_as_the_grid_grows_when_sigma_is_in_cells():
    fan_in = [network("network.sigma_units=grid", "network.sigma=1.2", f"network.n_lif={n - 50}", f"network.grid=[{side},{side}]").topology.syn_rec.size / n
              for side, n in ((15, 225), (45, 2025))]
    assert fan_in[0] == pytest.approx(fan_in[1], rel=0.1)


def test_a_single_neuron_on_a_single_cell_is_a_network():
    net = network("network.n_lif=1", "network.n_alif=0", "network.grid=[1,1]")
    assert net.topology.syn_rec.size == 0
