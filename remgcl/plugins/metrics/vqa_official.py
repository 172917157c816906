"""VQA accuracy as the authors of the VQA dataset compute it."""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from remgcl import Answer, Metric
from remgcl.plugins.metrics.normalise import agreement, on_one_line, with_digits, without_marks

PLACES = 2
"""Decimals that the published accuracy, in percent, is rounded to."""


@frozen(kw_only=True)
class VqaOfficial(Metric):
    """How many people gave the predicted answer, averaged over leaving out each person; three are enough.

    Nothing is normalised if all answers are the same text, so that "Two" is wrong for ten times "two".

    Source: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.
    """

    def score(self, answer: Answer) -> float:
        """Count the answers that equal the prediction."""
        answers = [on_one_line(each) for each in answer.answers]
        prediction = on_one_line(answer.prediction)
        if len(set(answers)) > 1:
            answers = [_normalised(each) for each in answers]
            prediction = _normalised(prediction)
        return round(100 * agreement([each == prediction for each in answers]), PLACES) / 100


@lru_cache(maxsize=1 << 16)
def _normalised(text: str) -> str:
    return with_digits(without_marks(text))
