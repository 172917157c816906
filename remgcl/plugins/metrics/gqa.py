"""The rule of GQA as LLaVA applies it."""

from __future__ import annotations

from attrs import frozen

from remgcl import Answer, Metric


@frozen(kw_only=True)
class Gqa(Metric):
    """1 if the prediction in lower case, without periods at its end, equals a true answer.

    Source: LLaVA, `scripts/convert_gqa_for_eval.py`, and the equality of GQA's `eval.py`.
    """

    def score(self, answer: Answer) -> float:
        """Compare with each answer."""
        return float(answer.prediction.rstrip(".").lower() in answer.answers)
