"""The rule of POPE: yes or no by words, and the measures of a binary classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from remgcl import Answer, Metric, Score

NEGATIVE = frozenset({"No", "not", "no"})


@frozen(kw_only=True)
class Pope(Metric):
    """1 if the label found in the prediction is the true one; the headline is F1 of "yes".

    Up to the first period, without commas and split at spaces, a prediction is "no" if "No", "not" or "no" is one
    of its words, and "yes" otherwise, even if it is empty. The truth is the field `label` (or the one answer): "no",
    or else "yes". Without a true label the score is the label itself. With a field `category` the measures
    are given for each, and the headline is their mean. A measure that divides by zero is 0.

    Source: LLaVA, `llava/eval/eval_pope.py`, after AoiDragon/POPE.
    """

    def fault(self, answer: Answer) -> str | None:
        """Refuse a truth that is no text."""
        truth = _truth(answer)
        return None if truth is None or isinstance(truth, str) else f"label: must be 'yes' or 'no'; it is {truth!r}"

    def score(self, answer: Answer) -> Score:
        """Compare the label with the truth."""
        label, truth = _label(answer.prediction), _truth(answer)
        return label if truth is None else float((label == "no") == (truth == "no"))

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Return accuracy, precision, recall, F1 and the share of "yes"."""
        if any(isinstance(score, str) for score in scores):
            labels = [_label(answer.prediction) for answer in answers]
            return {"count": len(labels), "yes": labels.count("yes"), "no": labels.count("no")}
        whole = _measures(answers)
        categories = sorted({str(answer.fields["category"]) for answer in answers if "category" in answer.fields})
        if not categories:
            return {"count": len(answers), "score": whole["f1"]} | whole
        by = {
            name: _measures([each for each in answers if str(each.fields.get("category")) == name])
            for name in categories
        }
        headline = sum(each["f1"] for each in by.values()) / len(by)
        return {"count": len(answers), "score": headline} | whole | {"categories": by}


def _truth(answer: Answer) -> Any:  # noqa: ANN401 - whatever the file holds
    return answer.fields.get("label", answer.answers[0] if answer.answers else None)


def _label(prediction: str) -> str:
    words = prediction.partition(".")[0].replace(",", "").split(" ")
    return "no" if NEGATIVE.intersection(words) else "yes"


def _measures(answers: Sequence[Answer]) -> dict[str, float]:
    pairs = [(_label(answer.prediction) == "yes", _truth(answer) != "no") for answer in answers]
    tp, fp = pairs.count((True, True)), pairs.count((True, False))
    tn, fn = pairs.count((False, False)), pairs.count((False, True))
    precision, recall = _share(tp, tp + fp), _share(tp, tp + fn)
    return {
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "accuracy": _share(tp + tn, len(pairs)),
        "precision": precision,
        "recall": recall,
        "f1": _share(2 * precision * recall, precision + recall),
        "yes_ratio": _share(tp + fp, len(pairs)),
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
