"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remgcl.core.grid.report.content import Content
from remgcl.core.grid.report.pictures import Picture
from remgcl.core.tables.markdown import escaped, table_lines


def markdown(content: Content, pictures: Sequence[Picture]) -> str:
    """Write a report as Markdown.

    Args:
        content: What it says.
        pictures: Its pictures, which lie beside it in `pictures/`.
    """
    return "\n".join(_lines(content, pictures)) + "\n"


def _lines(content: Content, pictures: Sequence[Picture]) -> Iterator[str]:
    yield f"# {escaped(content.name)}"
    yield ""
    yield from (f"* {escaped(sentence)}" for sentence in content.findings)
    for table in content.tables:
        yield from ("", f"## {escaped(table.title)}", "", *table_lines(table))
    for picture in pictures:
        yield from ("", f"## {escaped(picture.title)}", "")
        yield f"![{escaped(picture.title)}](pictures/{picture.name}.png)"
        yield from ("", escaped(picture.caption))
    if content.left_out:
        yield from ("", "## Left out", "", *(f"* {escaped(line)}" for line in content.left_out))
    yield from ("", "## How to read the tables", "", *(f"* {escaped(line)}" for line in content.method))
