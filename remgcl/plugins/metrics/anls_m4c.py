"""Average normalised Levenshtein similarity as M4C and LLaVA compute it for ST-VQA."""

from __future__ import annotations

from attrs import frozen
from rapidfuzz.distance import Levenshtein

from remgcl import Answer, Metric

LEAST = 0.5


@frozen(kw_only=True)
class AnlsM4c(Metric):
    """The best similarity of the prediction to a true answer, 0 below a half; both are stripped and in lower case.

    If prediction and answer are both empty, the published code divides by zero; the score is 0.

    Source: LLaVA, `llava/eval/m4c_evaluator.py`, `STVQAANLSEvaluator`.
    """

    def score(self, answer: Answer) -> float:
        """Compare with each answer."""
        prediction = answer.prediction.lower().strip()
        answers = [each.lower().strip() for each in answer.answers]
        if not prediction and "" in answers:
            return 0.0
        similar = (1 - Levenshtein.distance(prediction, each) / max(len(prediction), len(each)) for each in answers)
        best = max(similar, default=0.0)
        return best if best >= LEAST else 0.0
