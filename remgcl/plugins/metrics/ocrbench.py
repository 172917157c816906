"""The rule of OCRBench: an answer is contained in the prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from remgcl import Answer, Metric, Score, mean

RECOGNITION = (
    "Regular Text Recognition",
    "Irregular Text Recognition",
    "Artistic Text Recognition",
    "Handwriting Recognition",
    "Digit String Recognition",
    "Non-Semantic Text Recognition",
)

WHOLE = 1000
"""Questions of the benchmark; the published totals exist only for all of them."""


@frozen(kw_only=True)
class OcrBench(Metric):
    """1 if a true answer is part of the prediction, ignoring letter case and line ends.

    Formulas of HME100k keep their case and lose all spaces (U+0020). An empty answer is part of anything.
    The fields `dataset_name` and `question_type` (or `type`) are used where there are any.

    Source: MultimodalOCR, `OCRBench/example.py`.
    """

    def score(self, answer: Answer) -> float:
        """Look for each answer."""
        prepared = _formula if answer.fields.get("dataset_name") == "HME100k" else _text
        prediction = prepared(answer.prediction)
        return float(any(prepared(each) in prediction for each in answer.answers))

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Count hits, by type too; the totals of the benchmark need all 1,000 questions."""
        hits: Counter[str] = Counter()
        for answer, score in zip(answers, scores, strict=True):
            if kind := answer.fields.get("question_type") or answer.fields.get("type"):
                hits[str(kind)] += int(score == 1)
        summary = mean(scores) | {"hits": sum(score == 1 for score in scores), "by_type": dict(hits)}
        if len(answers) == WHOLE and hits:
            summary |= {"text_recognition": sum(hits[kind] for kind in RECOGNITION), "final": sum(hits.values())}
        return summary


def _text(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")
