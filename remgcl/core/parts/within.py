"""Parts inside of parts, settings and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from remgcl.core.parts.part import Part


def parts_in(value: object, key: str = "") -> Iterator[tuple[str, Part]]:
    """Find every part in a value, those inside other parts too.

    Args:
        value: A part, an attrs class, a mapping, or a sequence of these.
        key: Its dotted key in a recipe.

    Yields:
        Dotted keys and parts, the outer ones first.
    """
    if isinstance(value, Part):
        yield key, value
    cls: type[Any] = type(value)
    below: dict[str, object] = {}
    if attrs.has(cls):
        below = {field.alias or field.name: getattr(value, field.name) for field in attrs.fields(cls)}
    elif isinstance(value, Mapping):
        below = {str(name): held for name, held in value.items()}
    elif isinstance(value, list | tuple):
        below = {str(place): held for place, held in enumerate(value)}
    for name, held in below.items():
        yield from parts_in(held, f"{key}.{name}" if key else name)
