"""How tables write numbers and labels, the same in every format."""

from __future__ import annotations

import re

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""


def wrapped(label: str, width: int) -> str:
    """Break a label into lines, after spaces and pluses.

    Args:
        label: The label.
        width: Letters of a line, unless a word is longer.
    """
    lines = [""]
    for word in re.findall(r"[^+ ]*[+ ]|[^+ ]+$", label):
        if lines[-1] and len((lines[-1] + word).rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(map(str.rstrip, lines))


def probability(p: float) -> str:
    """Write a p-value.

    Args:
        p: The p-value.
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - the least that three decimals tell
