"""Tables of reports in a terminal."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from rich.markup import escape

from remgcl.core.tables.words import wrapped

if TYPE_CHECKING:
    from rich.table import Table

    from remgcl.core.tables import table as report_table

LABEL = 24
"""Letters in a line of a row's label."""


def shown(source: report_table.Table, beside: Collection[str] = (), *, light: bool = False) -> Table:
    """Show a table of a report.

    Args:
        source: The table.
        beside: Heads of columns that a terminal has no room for.
        light: Whether only the head is ruled, which leaves more room.
    """
    from rich.box import HEAVY_HEAD, SIMPLE_HEAD
    from rich.table import Table

    kept = [place for place, head in enumerate(source.heads) if head not in beside]
    table = Table(
        title=escape(source.title), title_justify="left", box=SIMPLE_HEAD if light else HEAVY_HEAD, pad_edge=not light
    )
    for place in kept:
        table.add_column(escape(source.heads[place]), overflow="fold")
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for row in source.rows:
        label, *entries = (row[place] for place in kept)
        table.add_row(
            escape(wrapped(label.text, LABEL)),
            *(f"[bold]{escape(entry.text)}[/]" if entry.strong else escape(entry.text) for entry in entries),
        )
    return table
