"""What is measured on a stage's held-out samples: exact match, or the headline of a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from remgcl.core.errors import DataError, RemgclError
from remgcl.core.evaluation.answers import Answered, exact_match
from remgcl.core.parts import Answer, Metric

EXACT_MATCH = "exact_match"
"""The name of what is measured where a validation names no metric."""


def measure_in(stage: Mapping[str, Any]) -> str:
    """Name what is measured on the held-out samples of a stage, as its results and grids do.

    Args:
        stage: The stage as a table, with all defaults.
    """
    metric = stage.get("validation", {}).get("metric")
    return EXACT_MATCH if metric is None else str(metric["use"])


@frozen(kw_only=True)
class Measure:
    """A rule for the answers to held-out samples.

    Attributes:
        name: Its key in results and grids.
        metric: The rule; exact match without it.
    """

    name: str = EXACT_MATCH
    metric: Metric | None = None

    def of(self, answered: Sequence[Answered]) -> float | None:
        """Return the headline of answers, or None if there are none.

        Args:
            answered: Answered samples.

        Raises:
            DataError: The metric cannot score a sample, or the samples do not make a whole.
        """
        if not answered:
            return None
        if self.metric is None:
            return exact_match(answered)
        answers = [self._answer(each) for each in answered]
        return headline(self.metric, answers)

    def right(self, each: Answered) -> bool:
        """Return whether an answer has the full score.

        Args:
            each: An answered sample that the metric can score.
        """
        return each.right if self.metric is None else self.metric.score(self._answer(each)) == 1

    def told(self, record: Mapping[str, Any]) -> str:
        """Word what was measured before and after a stage, with markup of rich.

        Args:
            record: What the results hold of it: `held_out`, `before` and `after`.
        """
        values = {moment: record[moment] for moment in ("before", "after")}
        share = all(value is None or 0 <= value <= 1 for value in values.values())
        before, after = (
            "an unknown score" if value is None else f"{value:.1%}" if share else f"{value:.4g}"
            for value in values.values()
        )
        what = self.name.replace("_", " ")
        return f"{what} on {record['held_out']} held-out samples: {before} before, [bold]{after}[/] after"

    def _answer(self, each: Answered) -> Answer:
        """Make what the metric scores; texts are stripped, as benchmarks do."""
        *_, question, truth = (turn.text.strip() for turn in each.sample.turns)
        answer = _scorable(each.answer.strip(), question, truth)
        what = self.metric.fault(answer) if self.metric else None
        if what is not None:
            raise DataError(f"held-out sample {each.sample.id!r}: metric {self.name!r} cannot score it; {what}")
        return answer


def headline(metric: Metric, answers: Sequence[Answer]) -> float:
    """Return the headline of a metric's summary.

    Args:
        metric: The metric.
        answers: At least one.

    Raises:
        DataError: They do not make a whole, or the summary has no number `score`.
    """
    score = metric.summary(answers, [metric.score(answer) for answer in answers]).get("score")
    if not isinstance(score, int | float):
        raise DataError(f"score: must be a number; the summary holds {score!r}")
    return float(score)


def unscorable(metric: Metric) -> str | None:
    """Describe why a metric cannot score held-out samples, which have a question and one true answer; None if it can.

    Args:
        metric: The metric.
    """
    both = [_scorable(said, "Is this text?", "yes") for said in ("yes", "no")]  # for rules of yes and no too
    try:
        what = metric.fault(both[0])
        if what is not None:
            return what
        right, wrong = (headline(metric, [answer]) for answer in both)
    except RemgclError as error:
        return str(error)
    return f"with one true answer, right and wrong ones both score {right:g}" if right == wrong else None


def _scorable(prediction: str, question: str, truth: str) -> Answer:
    return Answer(prediction=prediction, answers=(truth,), fields={"question": question, "answers": [truth]})
