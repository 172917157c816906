"""Texts and tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remgcl.core.tables.table import Table


def escaped(text: str) -> str:
    """Write a text so that Markdown shows it as it is.

    Args:
        text: The text.
    """
    text = re.sub(r"[\\`*|<>\[\]~$#&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
    return " ".join(text.split())


def table_lines(table: Table) -> Iterator[str]:
    """Write a table, without its title.

    Args:
        table: The table.
    """
    yield f"| {' | '.join(map(escaped, table.heads))} |"
    yield f"|---|{'---:|' * (len(table.heads) - 1)}"
    for row in table.rows:
        texts = (f"**{escaped(entry.text)}**" if entry.strong else escaped(entry.text) for entry in row)
        yield f"| {' | '.join(texts)} |"
