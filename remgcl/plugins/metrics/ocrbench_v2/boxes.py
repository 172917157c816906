"""Boxes: overlap of two, and the last box that a prediction names."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from remgcl.plugins.metrics.ocrbench_v2.containment import english
from remgcl.plugins.metrics.ocrbench_v2.pairs import read

BOX = re.compile(r"[\(\[]\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*[\)\]]")

LARGEST = 1000
"""Coordinates run from 0 to this."""


def grounding(prediction: str, truth: Sequence[Any]) -> float:
    """Return the overlap of the last box in a prediction with the true one.

    Args:
        prediction: The text of the model.
        truth: Left, top, right and lower side.
    """
    found = [[int(side) for side in match.groups()] for match in BOX.finditer(prediction)]
    boxes = [box for box in found if max(box) <= LARGEST]
    return overlap(boxes[-1], truth) if boxes else 0.0


def with_position(prediction: str, answers: Any, box: Sequence[Any]) -> float:  # noqa: ANN401 - whatever the file holds
    """Return the mean of an answer's score and its box's overlap.

    Args:
        prediction: The text of the model, with the keys `answer` and `bbox`.
        answers: The true answers.
        box: The true box.
    """
    given = read(prediction)
    content = english(given["answer"], answers) if "answer" in given else 0.0
    place = 0.0
    if "bbox" in given:
        try:
            place = overlap(ast.literal_eval(given["bbox"]), box)
        except Exception:  # noqa: BLE001 - a text of the model may hold anything
            place = 0.0
    return 0.5 * content + 0.5 * place


def overlap(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Return intersection over union of two boxes; 0 where a side is no number.

    Args:
        one: Left, top, right and lower side.
        other: Another box.
    """
    try:
        first, second = [int(side) for side in one], [int(side) for side in other]
    except (TypeError, ValueError, OverflowError):
        return 0.0
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0, width) * max(0, height)
    joined = _area(first) + _area(second) - shared
    return shared / joined if joined else 0.0


def _area(box: Sequence[int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
