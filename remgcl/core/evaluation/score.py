"""Predictions scored by a rule, and the report of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from remgcl.core.errors import DataError
from remgcl.core.evaluation.predictions import read_predictions
from remgcl.core.parts import Answer, Metric


def score_file(name: str, metric: Metric, file: Path) -> dict[str, Any]:
    """Score a file of predictions: the report is `rule`, `items` in the order of the file, and `summary`.

    Args:
        name: The rule's name.
        metric: The rule.
        file: A JSON list, or JSON lines, of predictions.

    Raises:
        PredictionsError: Items cannot be scored by the rule.
        DataError: The file cannot be read, or its items do not make a whole.
    """
    answers = read_predictions(file, metric)
    try:
        return score_answers(name, metric, answers)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def score_answers(name: str, metric: Metric, answers: Sequence[Answer]) -> dict[str, Any]:
    """Score answers.

    Args:
        name: The rule's name.
        metric: The rule.
        answers: At least one.

    Raises:
        DataError: They do not make a whole.
    """
    scores = [metric.score(answer) for answer in answers]
    summary = metric.summary(answers, scores)
    items = [{"score": plain(score)} for score in scores]
    return {"rule": name, "items": items, "summary": plain(summary)}


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a metric sums up
    """Write what JSON has no word for: NaN as null, and infinity as a text.

    Args:
        value: Numbers, texts, and tables and lists of them.
    """
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else str(value)
    return value
