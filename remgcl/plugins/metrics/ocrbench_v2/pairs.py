"""Pairs of keys and values: read from a prediction, and compared with all readings of the truth."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

FENCE = re.compile(r"```(?:python|json)?\n(.*?)\n```", re.DOTALL | re.IGNORECASE)

PAIR = re.compile(r'["\']?([\w\s]+)["\']?\s*[:=]\s*["\']?([^\n,"\'{}]+)["\']?')


def read(prediction: str) -> dict[str, str]:
    """Read the pairs of a prediction: JSON, a literal of Python, or lines of ``key: value``.

    Args:
        prediction: The text of the model; a fenced block in it is preferred.
    """
    fenced = FENCE.search(prediction)
    content = fenced.group(1) if fenced else prediction.strip()
    try:
        data = json.loads(content)
    except json.JSONDecodeError:
        data = _literal(content)
    if not isinstance(data, dict):
        return {}
    return {key.strip(): str(value).strip() for key, value in data.items()} if all(map(_is_text, data)) else {}


def _is_text(key: object) -> bool:
    return isinstance(key, str)


def _literal(content: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """Read a literal of Python, or find pairs in the text."""
    try:
        return ast.literal_eval(content)
    except (ValueError, SyntaxError):
        return {key.strip(): value.strip() for key, value in PAIR.findall(content)}


def readings(truth: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - whatever the file holds
    """Return every combination of the values that a true answer allows.

    Args:
        truth: A mapping of keys to lists of values, or a text that holds one.

    Raises:
        ValueError: The text holds something else.
    """
    if isinstance(truth, Mapping):
        return _combined(truth, list(truth.values()))
    text = truth.strip('"')
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        try:
            data = ast.literal_eval(text)
            data = data if isinstance(data, dict) else ast.literal_eval(data)
        except (ValueError, SyntaxError):
            return []
    if not isinstance(data, dict):
        raise ValueError("no mapping")  # noqa: TRY004 - the type of what a text holds
    return _combined(data, [value if isinstance(value, list) else [value] for value in data.values()])


def chinese_readings(truth: str) -> list[dict[str, Any]]:
    """Return every combination of the values that a true answer in Chinese allows.

    Args:
        truth: A literal of Python that holds a mapping.
    """
    data = ast.literal_eval(truth)
    return readings({key: value if isinstance(value, list) else [value] for key, value in data.items()})


def _combined(keys: Mapping[Any, Any], values: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(zip(keys, each, strict=True)) for each in product(*values)]


def best(prediction: str, truths: Sequence[Mapping[str, Any]]) -> float:
    """Return the best share of right values over the keys of both sides.

    Args:
        prediction: The text of the model.
        truths: The readings of the truth.
    """
    given = read(prediction)
    return max((_agreement(given, truth) for truth in truths), default=0.0)


def _agreement(given: Mapping[str, str], truth: Mapping[str, Any]) -> float:
    rights = []
    for key in given.keys() | truth.keys():
        pair = [_plain(side.get(key)) for side in (given, truth)]
        if pair != [None, None]:
            rights.append(float(None not in pair and pair[0] == pair[1]))
    return sum(rights) / len(rights) if rights else 0.0


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    """Lower a value and take its spaces out; an empty one stays as it is."""
    return value.lower().strip().replace("\n", " ").replace(" ", "") if value else value
