"""Halves of surrogate pairs: JSON may hold one, no tokenizer and no UTF-8 can."""

from __future__ import annotations

import re

_HALF = re.compile("[\ud800-\udfff]")


def half_pair(text: str) -> str | None:
    """Say where a text holds half of a surrogate pair.

    Args:
        text: Any text.

    Returns:
        The fault, in ASCII, or None.
    """
    found = _HALF.search(text)
    if found is None:
        return None
    return f"holds half of a surrogate pair, {found.group()!a} at character {found.start()}"


def without_half_pairs(text: str) -> str:
    """Replace each half of a surrogate pair by U+FFFD.

    Args:
        text: Any text.
    """
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)
