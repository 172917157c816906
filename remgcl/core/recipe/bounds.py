"""TOML within bounds: what no recipe needs is refused before it costs memory or minutes."""

from __future__ import annotations

import tomllib
from typing import Any

LARGEST_FILE = 4 * 2**20
"""Most bytes of a file of settings."""

DEEPEST = 32
"""Most tables and lists inside each other."""

MOST_KEYS, MOST_VALUES = 2_000, 200_000
"""Most keys of all tables of a file, and most values with those of lists."""

WHOLE = range(-(2**63), 2**63)
"""The whole numbers that TOML knows (TOML 1.0.0, "Integer")."""


def parse(text: str) -> dict[str, Any]:
    """Read TOML, if it keeps within the bounds.

    Args:
        text: The TOML.

    Raises:
        ValueError: It is not TOML, or exceeds a bound; the error says which.
    """
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"tables and lists lie inside each other more than {DEEPEST} deep") from None
    except ValueError as error:  # of Python too, which reads no number of thousands of digits
        message = str(error)
        raise ValueError(f"{message[:1].lower()}{message[1:]}") from None
    _verify(table)
    return table


def _verify(table: dict[str, Any]) -> None:
    keys = values = 0
    waiting: list[tuple[Any, int]] = [(table, 0)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if depth > DEEPEST:
            raise ValueError(f"tables and lists lie inside each other more than {DEEPEST} deep")
        if isinstance(value, dict):
            keys += len(value)
            waiting += [(below, depth + 1) for below in value.values()]
        elif isinstance(value, list):
            waiting += [(below, depth + 1) for below in value]
        elif isinstance(value, int) and value not in WHOLE:
            raise ValueError("a whole number does not fit into 64 bits")
        if keys > MOST_KEYS:
            raise ValueError(f"it holds more than {MOST_KEYS:,} keys")
        if values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
