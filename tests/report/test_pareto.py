"""Quality, memory and energy of conditions: from tables that a sweep left, without running anything."""
import pandas as pd
import pytest
import yaml
from studies import study, swept

from fxsim.errors import InputError
from fxsim.hardware.activity import Traffic, evaluation_trials
from fxsim.hardware.cost import estimates
from fxsim.hardware.memory import memory
from fxsim.model.topology import build_network
from fxsim.report.build import build_report
from fxsim.report.formats.pareto import conditions
from fxsim.report.study_data import read_sweep
from fxsim.study.figure import Figure
from fxsim.study.plan import load_study, parse_study, plan

pytestmark = pytest.mark.core
FIGURE = {"kind": "pareto", "title": "What it costs", "where": {"block": ["float", "bits"]}, "panels": ["rule"]}
BLOCKS = [{"name": "float", "grid": {"precision": ["float64", "float32"], "learning.rule": ["diffusion"]}},
          {"name": "bits", "grid": {"precision": ["q16", "w4s8"], "learning.rule": ["diffusion"]}}]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pareto")
    result = swept(study(folder / "s.yaml", blocks=BLOCKS, figures=[FIGURE], axes={}), "--out", folder / "out", "--jobs", "1")
    assert result.exit_code == 0, result.output
    return folder / "out"


def test_points_have_the_costs_of_their_configuration_at_their_own_rates(done):
    found = {one.label: one for one in conditions(read_sweep(done, None), 0, Figure(**FIGURE))}
    results = pd.read_parquet(done / "results.parquet").set_index(["precision", "seed"])
    assert list(found) == ["float64", "float32", "q16", "w4s8"]
    config = next(p.config for p in plan(load_study(done / "study.yaml")[0], str(done / "study.yaml")) if p.precision == "w4s8" and p.config.seed == 3)
    network, rate = build_network(config), results.loc["w4s8", "rate_hz"].mean()
    trials, t = evaluation_trials(config, 4), network.topology
    arriving = sum(trials.x[:, :, channel].sum() for channel in t.syn_in.pre) / trials.size
    own = rate * trials.duration.mean() / 1000
    expected = estimates(config, network, Traffic(float(trials.duration.mean()), {"in": arriving, "rec": own * t.syn_rec.size, "out": own * t.syn_out.size}),
                         memory(config, network).network.total / 8)
    assert rate > 0 and found["w4s8"].memory == memory(config, network).network.total / 8
    assert found["w4s8"].trial.energy == expected[0].energy and found["w4s8"].update.energy == expected[2].energy
    assert found["w4s8"].change.mean == pytest.approx((results.loc["w4s8", "rate_hz"] - results.loc["float32", "rate_hz"]).mean())
    assert found["float64"].update is None and not found["float32"].change.n and not found["w4s8"].beaten      # the least memory and energy
    wide, narrow = found["float32"], found["w4s8"]
    assert wide.beaten == any(one.quality.mean >= wide.quality.mean for one in (found["q16"], narrow))


def test_the_page_draws_them_with_their_table(done):
    page = build_report(done).read_text()
    assert "What it costs" in page and "no row" in page and "energy of an update" in page and '"beaten":' in page and (done / "figures" / "figure-0.svg").exists()


def test_a_point_of_several_configurations_is_refused(done):
    with pytest.raises(InputError, match="figures.0.panels: found several configurations in one point, bits"):
        conditions(read_sweep(done, None), 0, Figure(**{**FIGURE, "lines": "block", "where": {"block": "bits"}}))
    with pytest.raises(InputError, match="figures.0.levels"):
        parse_study({**yaml.safe_load((done / "study.yaml").read_text()), "figures": [{**FIGURE, "levels": {"float": {"block": "float"}}}]}, "s.yaml")
