"""A report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from remgcl.core.grid.report.content import Content
from remgcl.core.grid.report.pictures import Picture
from remgcl.core.tables.page import page

TEMPLATE = Path(__file__).with_name("report.html.jinja")


def html(content: Content, pictures: Sequence[Picture]) -> str:
    """Write a report as HTML.

    Args:
        content: What it says.
        pictures: Its pictures.
    """
    return page(TEMPLATE, content=content, pictures=pictures)
