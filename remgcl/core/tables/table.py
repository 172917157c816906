"""A table, before it is written in a format."""

from __future__ import annotations

from attrs import frozen

from remgcl.core.tables.words import NOTHING


@frozen
class Entry:
    """One place of a table.

    Attributes:
        text: What is written there.
        order: The number that it is sorted by, if it is one.
        strong: Whether it stands out.
    """

    text: str = NOTHING
    order: float | None = None
    strong: bool = False


@frozen
class Table:
    """A table.

    Attributes:
        title: What stands above it.
        heads: What stands above each column.
        rows: The entries of each row.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
