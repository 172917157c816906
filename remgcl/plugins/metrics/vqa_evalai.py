"""VQA accuracy over ten answers, as EvalAI and LLaVA compute it for TextVQA."""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from remgcl import Answer, Metric
from remgcl.plugins.metrics.normalise import agreement, on_one_line, with_digits, without_marks

PEOPLE = 10
"""Answers of a question; the published scorer stops at another number."""


@frozen(kw_only=True)
class VqaEvalAi(Metric):
    """How many of ten people gave the predicted answer: 0, 0.3, 0.6, 0.9, and 1 from four on.

    Source: LLaVA, `llava/eval/m4c_evaluator.py`, `TextVQAAccuracyEvaluator`.
    """

    def fault(self, answer: Answer) -> str | None:
        """Refuse another number of answers than ten."""
        if len(answer.answers) != PEOPLE:
            return f"answers: must be {PEOPLE} texts; there are {len(answer.answers)}"
        return super().fault(answer)

    def score(self, answer: Answer) -> float:
        """Count the answers that equal the prediction, each person against the other nine."""
        prediction = _normalised(answer.prediction)
        return agreement([_normalised(each) == prediction for each in answer.answers])


@lru_cache(maxsize=1 << 16)
def _normalised(text: str) -> str:
    tokens = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return with_digits(without_marks(on_one_line(tokens)))
