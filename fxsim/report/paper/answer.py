"""What several sweeps say, in three sentences: the rules, the integers, and learning without a host. Every number is taken from the differences."""
from __future__ import annotations

from fxsim.report.figures import title
from fxsim.report.statistics.questions import FIXED, NAMED, Answer, Family
from fxsim.report.statistics.rows import difference
from fxsim.report.study_data import Sweep, measure_of
from fxsim.study.statistics.verdicts import BETTER, EQUIVALENT, UNDECIDED, WORSE

RULES, ON_CHIP = "diffusion against e-prop, float32", "integer optimizer and loihi2, against float32"     # names of contrasts in the studies
WORDS = (EQUIVALENT, WORSE, BETTER, UNDECIDED)


def sentences(found: list[tuple[Sweep, list[Family]]]) -> list[str]:
    """The answer; what has no two pairs of runs yet is said to be open."""
    return [_named("Diffusion against e-prop in float32", RULES, found), _fixed(found),
            _named("Integers alone (loihi2 and an integer optimizer) against float32", ON_CHIP, found)]


def _named(about: str, name: str, found: list[tuple[Sweep, list[Family]]]) -> str:
    said = [f"{_task(sweep)} {_said(answer, sweep)}" for sweep, families in found for family in families if family.name == NAMED
            for answer in family.answers if answer.question.name == name]
    return f"{about}, at the end: {'; '.join(said)}." if said else f"{about}: not enough runs yet."


def _fixed(found: list[tuple[Sweep, list[Family]]]) -> str:
    """How many questions have which verdict, and the losses by name."""
    answers = [(sweep, answer) for sweep, families in found for family in families if family.name == FIXED for answer in family.answers
               if "mean of these" not in answer.question.name]
    if not answers:
        return "Fixed point against float32: not enough runs yet."
    counts = {word: sum(answer.end.word == word for _, answer in answers) for word in WORDS}
    worse = [f"{_task(sweep)}, {answer.question.name} {_said(answer, sweep)}" for sweep, answer in answers if answer.end.word == WORSE]
    text = f"Fixed point against float32, at the end: of {len(answers)} comparisons " + ", ".join(f"{n} {word}" for word, n in counts.items())
    return text + (f"; worse: {'; '.join(worse)}." if worse else ".")


def _said(answer: Answer, sweep: Sweep) -> str:
    unit = " points" if measure_of(sweep) == "accuracy" else " of nMSE"
    return f"{difference(answer.end.difference, measure_of(sweep))}{unit} ({answer.end.word}, {len(answer.question.differences)} pairs)"


def _task(sweep: Sweep) -> str:
    return title(str(sweep.results["task"].iloc[0]))
