"""The studies of the paper's figures: their protocol, and the names of their runs, which take days to make."""
import hashlib

import pytest

from fxsim.report.published import C_REG
from fxsim.study.plan import is_paper_size, load_study, plan

from places import ROOT

STUDIES = {"delayed_match": "d89f8b3b39", "cue_accumulation": "93acf655fa", "pattern_generation": "ec4194c1be"}    # of the names of all runs


@pytest.fixture(scope="module", params=STUDIES)
def planned(request):
    path = ROOT / f"reports/paper/{request.param}.yaml"
    return plan(load_study(path)[0], str(path))


def test_the_protocol_is_the_papers(planned):
    for p in planned:
        c = p.config
        assert is_paper_size(c) and (c.iterations, c.evaluation.every) == (2000, 25) and c.learning.c_reg == C_REG.get((c.task.name, p.rule), c.learning.c_reg)
        assert c.evaluation.batch_size == (8 if c.task.name == "pattern_generation" else 512) and c.learning.f_target_hz == 10
        if p.block != "on_chip":
            assert (c.learning.optimizer.name, c.learning.optimizer.rate) == ("adam", 0.01 if c.task.name == "pattern_generation" else 0.005)
        if p.block != "decay":
            assert c.learning.k == 0.75
    conditions = {(p.block, p.rule, p.precision, p.config.learning.k) for p in planned}
    assert len({p.folder for p in planned}) == 20 * len({condition[1:] for condition in conditions if condition[0] != "on_chip"}) + 20
    assert {p.config.seed for p in planned} == set(range(1, 21))


def test_runs_that_were_made_are_found_again(planned):
    """A field that configurations gain changes no bit at its default, and so no run's name: else days of work would be begun anew."""
    names = "\n".join(sorted({p.folder for p in planned}))
    assert hashlib.sha256(names.encode()).hexdigest()[:10] == STUDIES[planned[0].config.task.name]
