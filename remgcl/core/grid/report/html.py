"""A report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from remgcl.core.grid.report.content import Content
from remgcl.core.grid.report.pictures import Picture

TEMPLATE = Path(__file__).with_name("report.html.jinja")


def html(content: Content, pictures: Sequence[Picture]) -> str:
    """Write a report as HTML.

    Args:
        content: What it says.
        pictures: Its pictures.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(content=content, pictures=pictures)
