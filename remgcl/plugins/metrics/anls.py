"""Average normalised Levenshtein similarity as the Robust Reading Competition computes it."""

from __future__ import annotations

from attrs import frozen
from rapidfuzz.distance import Levenshtein

from remgcl import Answer, Metric


@frozen(kw_only=True)
class Anls(Metric):
    """The best similarity of the prediction to a true answer, 0 below a threshold.

    Both are stripped and lowered, and white space inside becomes one space. The distance is divided by the
    longer of the *raw* texts in upper case, so that spaces around a text count.

    Source: the evaluation of DocVQA and InfographicVQA, as in QwenLM/Qwen-VL, `eval_mm/infographicsvqa_eval.py`.

    Attributes:
        threshold: Similarities below this count as 0.
    """

    threshold: float = 0.5

    def score(self, answer: Answer) -> float:
        """Compare with each answer."""
        best = 1 - min((_distance(each, answer.prediction) for each in answer.answers), default=1.0)
        return best if best >= self.threshold else 0.0


def _distance(truth: str, prediction: str) -> float:
    length = max(len(truth.upper()), len(prediction.upper()))
    return float(Levenshtein.distance(_folded(truth), _folded(prediction))) / length if length else 0.0


def _folded(text: str) -> str:
    return " ".join(text.strip().lower().split())
