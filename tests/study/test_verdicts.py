"""What a family of paired differences is said to show: against SciPy, and on drawn tables whose truth is known."""
import numpy as np
import pandas as pd
import pytest

from fxsim.study.statistics.contrasts import AREA, END, Curves, median_time, paired
from fxsim.study.statistics.outcome import Crossing, area, holm
from fxsim.study.statistics.verdicts import BETTER, EQUIVALENT, UNDECIDED, WORSE, p_equivalence, verdicts

pytestmark = pytest.mark.core
MARGIN, SEEDS, FAMILIES = 0.02, 20, 400


def said(truth, spread, margin=MARGIN, families=FAMILIES):
    """Verdicts (families, questions) of normal differences around the true ones."""
    rng = np.random.default_rng(1)
    draws = np.array(truth) + np.array(spread) * rng.standard_normal((families, SEEDS, len(truth)))
    return np.array([[verdict.word for verdict in verdicts(list(family.T), margin)] for family in draws])


@pytest.mark.parametrize("truth, spread", [
    ([0.0] * 8, 0.005), ([0.0] * 8, 0.05), ([MARGIN] * 4 + [-MARGIN] * 4, 0.01), ([MARGIN] * 4 + [-MARGIN] * 4, 0.05),
    ([0.0] * 4 + [MARGIN, -MARGIN] * 2, [0.03] * 4 + [0.002] * 4), ([0.0] * 4 + [-MARGIN] * 4, [0.002] * 4 + [0.01] * 4)])
def test_a_wrong_verdict_in_a_family_is_rare(truth, spread):
    """No difference called one, a difference of the margin called none, or a direction turned round: at most 5 % of families have a single one."""
    words, truth = said(truth, spread), np.array(truth)
    wrong = (truth == 0) & np.isin(words, (BETTER, WORSE)) | (np.abs(truth) >= MARGIN) & (words == EQUIVALENT)
    wrong |= (truth < 0) & (words == BETTER) | (truth > 0) & (words == WORSE)
    assert wrong.any(axis=1).mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / FAMILIES)


def test_families_are_not_called_undecided_for_safety():
    """The first case uses up most of the 5 % that it may, and what is there is found."""
    words = said([0.0] * 4 + [0.02, -0.02] * 2, [0.03] * 4 + [0.002] * 4)
    assert np.isin(words[:, :4], (BETTER, WORSE)).any(axis=1).mean() > 0.01
    words = said([0.0, 0.004, -0.05, 0.05, -0.01, 0.0], [0.01, 0.01, 0.02, 0.02, 0.1, 0.1], families=100)
    for question, word in enumerate((EQUIVALENT, EQUIVALENT, WORSE, BETTER, UNDECIDED, UNDECIDED)):
        assert (words[:, question] == word).mean() > 0.9


def test_without_a_margin_nothing_is_equivalent_and_one_pair_shows_nothing():
    assert EQUIVALENT not in said([0.0] * 3, 1e-6, margin=None, families=30)
    first, second = verdicts([[0.0], [-0.1, -0.11, -0.1, -0.12]], MARGIN)
    assert first.word == UNDECIDED and np.isnan(first.p_difference) and np.isnan(first.p_equivalence) and second.word == WORSE
    same, apart = verdicts([[0.0] * 3, [0.05] * 3], MARGIN)
    assert (same.word, apart.word) == (EQUIVALENT, BETTER)


def test_two_one_sided_tests_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    for x in np.random.default_rng(0).normal(0.01, 0.02, (20, 6)):
        ends = stats.ttest_1samp(x, -MARGIN, alternative="greater").pvalue, stats.ttest_1samp(x, MARGIN, alternative="less").pvalue
        assert p_equivalence(x, MARGIN) == pytest.approx(max(ends))


def test_adjusted_values_count_how_many_can_be_true():
    assert holm([0.01, 0.02, 0.03, 0.04], 2) == pytest.approx([0.02, 0.04, 0.06, 0.06]) and holm([0.01, 0.02]) == [0.02, 0.02]
    (one,) = verdicts([[0.01, 0.02, 0.03]], MARGIN)        # one question: nothing to adjust
    assert one.p_equivalence == p_equivalence([0.01, 0.02, 0.03], MARGIN)


def curves(seeds, accuracies, measure="accuracy", every=25):
    rows = [(seed, every * i, value) for seed in seeds for i, value in enumerate(accuracies[seed])]
    return Curves(pd.DataFrame(rows, columns=["seed", "iteration", measure]), measure, every * (max(map(len, accuracies.values())) - 1))


def test_outcomes_are_tails_at_the_marks_and_the_mean_over_updates():
    values = {1: [0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9, 0.9], 2: [0.5] * 9}
    found = curves([1, 2], values).outcomes((50, 100))
    assert list(found.columns) == [END, AREA, "50", "100"] and list(found.index) == [1, 2]
    assert found.loc[1].tolist() == pytest.approx([0.88, np.mean(np.add(values[1][1:], values[1][:-1]) / 2), 0.55, 0.7])
    reference = curves([2, 3], {2: [0.25] * 9, 3: [1.0] * 9}).outcomes((50, 100))
    assert paired(found, reference).to_dict("index") == {2: {END: 0.25, AREA: 0.25, "50": 0.25, "100": 0.25}}


def test_a_run_that_met_its_criterion_stays_there():
    both = curves([1, 2], {1: [1.0, 0.5, 0.1], 2: [1.0] * 9}, "nmse")
    found = both.outcomes((50, 100)).loc[1]
    assert found[END] == found["100"] == 0.1 and found["50"] == pytest.approx(0.3)
    assert found[AREA] == pytest.approx((0.75 + 0.3 + 6 * 0.1) / 8) == area(both.evaluations.query("seed == 1"), "nmse", 200)
    assert [time.kind for time in both.times(0.3)] == ["at", "above"] and both.times(0.3)[0].x == pytest.approx(37.5)


def test_runs_that_do_not_reach_a_level_are_no_numbers():
    reached, never = Crossing(100.0, "at"), Crossing(2000.0, "above")
    assert median_time([reached, never, Crossing(50.0, "at most")]) == 100 and median_time([reached, never]) == median_time([never]) == np.inf
