"""Pages in HTML that need nothing beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BASE = Path(__file__).parent
"""The folder of the templates that pages share."""


def page(template: Path, *more: Path, **said: Any) -> str:  # noqa: ANN401 - what the template names
    """Write a page.

    Args:
        template: Its template, which may extend `page.html.jinja` and take `table_of` from `table.html.jinja`.
        *more: Folders of further templates that it takes from.
        **said: What the template names; all texts are escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader([template.parent, BASE, *more])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.get_template(template.name).render(**said)
