"""Relaxed correctness of ChartQA: numbers within 5 percent, other answers exactly."""

from __future__ import annotations

from attrs import frozen

from remgcl import Answer, Metric


@frozen(kw_only=True)
class Relaxed(Metric):
    """1 if prediction and answer are numbers no more than 5 % of the answer apart, or the same text in lower case.

    Every text that `float` parses is a number, and a final "%" divides by 100. Nothing is stripped, and an answer of 0
    must match as text. Years are numbers too: 2100 is within 5 % of 2019.

    Source: google-research/pix2struct, `pix2struct/metrics.py`, `relaxed_correctness`.

    Attributes:
        tolerance: The largest distance that counts, as a share of the answer.
    """

    tolerance: float = 0.05

    def score(self, answer: Answer) -> float:
        """Compare with each answer."""
        return float(any(self._right(each, answer.prediction) for each in answer.answers))

    def _right(self, truth: str, prediction: str) -> bool:
        expected, given = _number(truth), _number(prediction)
        if given is not None and expected:
            return abs(given - expected) / abs(expected) <= self.tolerance
        return prediction.lower() == truth.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
