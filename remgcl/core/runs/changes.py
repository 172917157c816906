"""What changed between the inputs that a stage recorded and its current ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from remgcl.core.files.whole import as_json


def changed_inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe the changed inputs, at most five; empty if none changed.

    Args:
        before: The recorded inputs.
        now: The current inputs.
    """
    old, new = dict(_flat(before)), dict(_flat(json.loads(as_json(now))))
    keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return "; ".join(f"{key} was {old.get(key)!r} and is {new.get(key)!r}" for key in keys[:5])


def _flat(table: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - nested JSON
    """Return each value with its dotted key."""
    if not isinstance(table, dict):
        yield ".".join(at), table
        return
    for name, value in table.items():
        yield from _flat(value, (*at, name))
