"""The scaling study: fan-in stays as networks grow, rows say what they are, exponents are slopes."""
import numpy as np
import pytest

from fxsim.bench.scaling import BATCH, PRECISIONS, SIGMA, SIZES, THREADS, exponent, measure_row, rows_to_measure, write_report
from fxsim.config import load_config
from fxsim.model.topology import build_network


@pytest.mark.parametrize("side", [10, 20, 40])
def test_fan_in_does_not_grow_with_the_network(side):
    n = side * side
    network = build_network(load_config("delayed_match").changed({
        "network.grid": [side, side], "network.n_lif": n, "network.n_alif": 0, "network.sigma": SIGMA, "network.sigma_units": "grid"}))
    recurrent = network.topology.syn_rec
    assert (recurrent.pre != recurrent.post).all()
    assert 9 < recurrent.size / n < 12


def test_every_size_and_batch_is_measured_in_both_precisions_and_thread_counts():
    rows = rows_to_measure()
    assert {(r["neurons"], r["precision"], r["threads"]) for r in rows if r["batch"] == BATCH} == {
        (n, p, t) for n in SIZES for p in PRECISIONS for t in THREADS}
    assert len({tuple(r.items()) for r in rows}) == len(rows)


def test_an_exponent_is_the_slope_of_the_logarithms():
    rows = [{"synapses": s, "seconds_per_step": 3e-6 * s**1.25} for s in (10, 100, 4000)]
    assert exponent(rows, "seconds_per_step") == pytest.approx(1.25)


@pytest.mark.long
def test_a_row_says_what_was_run_and_the_report_holds_it(tmp_path):
    row = measure_row(100, 8, "q16", 1, 1)
    assert row["neurons"] == 100 and row["steps"] == 200 and row["synapses"] > 1000 and row["seconds_per_step"] > 0
    rows = [{**row, **wanted, "synapses": row["synapses"] * wanted["neurons"] // 100, "peak_mib": float(10 + wanted["neurons"])}
            for wanted in rows_to_measure()]
    write_report(tmp_path, rows)
    text = (tmp_path / "README.md").read_text()
    assert "| q16 | 2 |" in text and str(SIZES[-1]) in text and (tmp_path / "scaling.png").stat().st_size > 10000
    assert np.isfinite(exponent(rows, "peak_mib"))
