"""Metrics that break one promise each."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from attrs import frozen

from remgcl import Answer, Metric, Score
from remgcl.testing import conformance

NUMBERS = count()


@frozen(kw_only=True)
class Good(Metric):
    """1 if the prediction is an answer."""

    def score(self, answer: Answer) -> float:
        """Compare."""
        return float(answer.prediction in answer.answers)


@frozen(kw_only=True)
class Raises(Good):
    """Divide by the length of the prediction."""

    def score(self, answer: Answer) -> float:
        """Divide."""
        return 1 / len(answer.prediction)


@frozen(kw_only=True)
class Infinite(Good):
    """Score without end."""

    def score(self, answer: Answer) -> float:
        """Give infinity for an empty prediction."""
        return 0.5 if answer.prediction else float("inf")

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Count only."""
        del answers
        return {"count": len(scores)}


@frozen(kw_only=True)
class Counts(Good):
    """Score by how often it was asked."""

    def score(self, answer: Answer) -> float:
        """Count."""
        del answer
        return 1 / (1 + next(NUMBERS))


@frozen(kw_only=True)
class Sums(Good):
    """Sum up as a set."""

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Give a set."""
        del answers
        return {"scores": set(map(str, scores))}


TestGood = conformance(Good())
TestRaises = conformance(Raises())
TestInfinite = conformance(Infinite())
TestCounts = conformance(Counts())
TestSums = conformance(Sums())
