"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from remgcl.core.grid.report.content import Content
from remgcl.core.grid.report.pictures import Picture
from remgcl.core.grid.report.table import Table


def markdown(content: Content, pictures: Sequence[Picture]) -> str:
    """Write a report as Markdown.

    Args:
        content: What it says.
        pictures: Its pictures, which lie beside it in `pictures/`.
    """
    return "\n".join(_lines(content, pictures)) + "\n"


def escaped(text: str) -> str:
    """Write a text so that Markdown shows it as it is.

    Args:
        text: The text.
    """
    text = re.sub(r"[\\`*|<>\[\]~$#&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
    return " ".join(text.split())


def _lines(content: Content, pictures: Sequence[Picture]) -> Iterator[str]:
    yield f"# {escaped(content.name)}"
    yield ""
    yield from (f"* {escaped(sentence)}" for sentence in content.findings)
    for table in content.tables:
        yield from ("", f"## {escaped(table.title)}", "", *_table(table))
    for picture in pictures:
        yield from ("", f"## {escaped(picture.title)}", "")
        yield f"![{escaped(picture.title)}](pictures/{picture.name}.png)"
        yield from ("", escaped(picture.caption))
    if content.left_out:
        yield from ("", "## Left out", "", *(f"* {escaped(line)}" for line in content.left_out))
    yield from ("", "## How to read the tables", "", *(f"* {escaped(line)}" for line in content.method))


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(escaped, table.heads))} |"
    yield f"|---|{'---:|' * (len(table.heads) - 1)}"
    for row in table.rows:
        texts = (f"**{escaped(entry.text)}**" if entry.strong else escaped(entry.text) for entry in row)
        yield f"| {' | '.join(texts)} |"
