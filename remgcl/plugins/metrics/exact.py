"""Exact match after strip and lower."""

from __future__ import annotations

from attrs import frozen

from remgcl import Answer, Metric


@frozen(kw_only=True)
class Exact(Metric):
    """1 if the prediction is a true answer, ignoring letter case and surrounding space.

    Source: VLMEvalKit, `vlmeval/dataset/utils/vqa_eval.py`, method `accuracy`, as for OCR-VQA.
    """

    def score(self, answer: Answer) -> float:
        """Compare with each answer."""
        prediction = answer.prediction.strip().lower()
        return float(any(each.strip().lower() == prediction for each in answer.answers))
