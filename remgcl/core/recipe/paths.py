"""The table `[paths]` of a recipe: texts that are given once and filled in wherever they are named.

``{paths.data}`` in any text stands for the text `data` of that table, in the
table itself too. ``{paths.here}`` stands for the folder of the file that it is
written in. All other braces stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

from remgcl.core.errors import Hint

KeyFault: TypeAlias = tuple[tuple[str, ...], str]
"""The key of a text at fault, and what is wrong."""

PATHS = "paths"

LONGEST = 100_000
"""Most characters of a text with its paths filled in."""

_NAMED = re.compile(r"\{paths\.([^{}]*)\}")


HERE = "{paths.here}"
"""Stands for the folder of the file it is written in."""


def here(value: Any, folder: Path) -> Any:  # noqa: ANN401 - any TOML value
    """Fill the folder of a file into all its texts.

    Args:
        value: What the file holds: nested tables and lists.
        folder: The folder.
    """
    if isinstance(value, Mapping):
        return {name: here(below, folder) for name, below in value.items()}
    if isinstance(value, list):
        return [here(below, folder) for below in value]
    return value.replace(HERE, str(folder)) if isinstance(value, str) else value


def fill(table: Mapping[str, Any]) -> tuple[dict[str, Any], list[KeyFault]]:
    """Fill the paths into all texts of a table.

    Args:
        table: Nested tables and lists; `[paths]` may be among them.

    Returns:
        A copy without `[paths]`, and everything that is wrong.
    """
    filled = {name: value for name, value in table.items() if name != PATHS}
    given = table.get(PATHS, {})
    if not isinstance(given, Mapping):
        return filled, [((PATHS,), f"must be a table of strings; it is {given!r}")]
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    faults: list[KeyFault] = [
        ((PATHS, name), f"must be a string; it is {given[name]!r}") for name in given if name not in texts
    ]
    known: dict[str, str] = {}

    def written(value: Any, key: tuple[str, ...]) -> Any:  # noqa: ANN401 - any TOML value
        if isinstance(value, Mapping):
            return {name: written(below, (*key, name)) for name, below in value.items()}
        if isinstance(value, list):
            return [written(below, (*key, str(place))) for place, below in enumerate(value)]
        if not isinstance(value, str):
            return value
        used = _NAMED.findall(value)
        if len(value) + sum(len(known.get(name, "")) for name in used) > LONGEST:
            faults.append((key, f"becomes longer than {LONGEST:,} characters"))
            return ""
        unknown = [name for name in used if name not in given]
        faults.extend((key, f"no path {name!r} in [paths]; {Hint(name, tuple(given))}") for name in unknown)
        return _NAMED.sub(lambda match: known.get(match[1], match[0]), value)

    named = {name: [other for other in _NAMED.findall(text) if other in texts] for name, text in texts.items()}
    try:
        for name in TopologicalSorter(named).static_order():
            known[name] = written(texts[name], (PATHS, name))
    except CycleError as error:
        chain = error.args[1]
        faults.append(((PATHS, chain[0]), f"leads back to itself; {' is in '.join(map(repr, chain))}"))
    return written(filled, ()), faults
