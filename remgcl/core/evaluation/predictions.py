"""A file of predictions: a JSON list, or JSON lines, of predictions with the fields of their questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from remgcl.core.errors import DataError, Fault, FaultsError
from remgcl.core.parts import Answer, Metric

PREDICTION = ("prediction", "predict", "pred_answer")
"""Names of the field that holds the text of the model."""

ANSWERS = ("answers", "gt_answers")
"""Names of the field that holds the true answers; beside the last, `answer` is the text of the model."""

SHOWN = 20
"""Most faults that are listed."""


class PredictionsError(FaultsError):
    """A file of predictions cannot be scored."""


def read_predictions(file: Path, metric: Metric) -> list[Answer]:
    """Read predictions, and make sure that a rule can score them.

    Args:
        file: A JSON list, or JSON lines, of objects.
        metric: The rule.

    Raises:
        PredictionsError: Items are at fault; all of them are named, with their fields.
        DataError: The file is absent, empty, or no JSON.
    """
    items = list(items_of(file))
    if not items:
        raise DataError(f"{file}: holds no prediction")
    answers, faults = [], []
    for place, item in items:
        answer = _answer(item)
        what = answer if isinstance(answer, str) else metric.fault(answer)
        if what is None:
            answers.append(answer)
        else:
            faults.append(Fault(str(file), place, what))
    if faults:
        more = [Fault(str(file), "", f"and {len(faults) - SHOWN:,} more faults")] if len(faults) > SHOWN else []
        raise PredictionsError([*faults[:SHOWN], *more])
    return answers  # type: ignore[return-value]


def items_of(file: Path) -> Iterator[tuple[str, Any]]:
    """Return each item of a file and where it stands.

    Args:
        file: A JSON list, or JSON lines.

    Raises:
        DataError: It is absent or no JSON.
    """
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise DataError(f"{file}: does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if not text.lstrip().startswith("["):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"line {number}", _json(file, line, f"line {number}: ")
        return
    items = _json(file, text, "")
    yield from ((f"item {place}", item) for place, item in enumerate(items))


def _json(file: Path, text: str, where: str) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f"{file}: {where}is no JSON: {error}; expected a list of objects, or one object a line"
        ) from error


def _answer(item: object) -> Answer | str:
    """Make an answer from an item, or describe what is wrong with it."""
    if not isinstance(item, Mapping):
        return f"must be an object; it is {item!r:.60}"
    fields = dict(item)
    if "gt_answers" in fields and "answer" in fields:
        fields["prediction"] = fields.pop("answer")
    name = next((name for name in PREDICTION if name in fields), None)
    if name is None:
        if isinstance(fields.get("review"), str):
            return Answer(prediction="", fields=fields)
        return "prediction: is missing"
    if not isinstance(fields[name], str):
        return f"{name}: must be a text; it is {fields[name]!r:.60}"
    given = next((fields[name] for name in ANSWERS if name in fields), ())
    if given is None or not isinstance(given, str | list | tuple | Mapping | int | float):
        return f"answers: must be a text or a list; it is {given!r:.60}"
    if any(name in fields for name in ANSWERS):
        fields["answers"] = given
    answers = tuple(given) if isinstance(given, list | tuple) else (given,)
    return Answer(prediction=fields[name], answers=answers, fields=fields)
