"""The pictures of a report: learning curves, and the first metric along each axis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import frozen

from remgcl.core.grid.report.picture_axis import draw_axis, lines_of
from remgcl.core.grid.report.picture_curves import draw_language, draw_terms
from remgcl.core.grid.report.picture_style import STYLE, as_png, as_svg
from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import GridResults
from remgcl.core.recipe.recipe import LANGUAGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAND = "Mean over the finished seeds; the band goes from the least to the largest."
RUNS = "Points are runs, and thin lines join the runs of a seed; on top are means with their 95 % intervals."


@frozen
class Picture:
    """A picture.

    Attributes:
        name: Name of its file, without ending.
        title: What stands above it.
        caption: What it shows.
        png: The picture as PNG.
        svg: The same as SVG, without a background, for a page.
    """

    name: str
    title: str
    caption: str
    png: bytes
    svg: str


def draw(results: GridResults, scale: Scale | None) -> tuple[Picture, ...]:
    """Draw what came out of a grid.

    Args:
        results: What came out.
        scale: How the first metric is written; none if nothing was measured.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        return tuple(
            Picture(name, title, caption, as_png(figure), as_svg(figure))
            for name, title, caption, figure in _figures(results, scale)
        )


def _figures(results: GridResults, scale: Scale | None) -> Iterator[tuple[str, str, str, Figure]]:
    """Draw the figures that there is something to draw of."""
    finished = [result for result in results.cells if result.state == "finished"]
    terms = list(dict.fromkeys(term for result in finished for term, curve in result.curves.items() if curve))
    if LANGUAGE in terms:
        terms.remove(LANGUAGE)
        yield "curves", "Learning curves", BAND, draw_language(results, LANGUAGE)
    if terms:
        yield "terms", "Learning curves of the other terms", BAND, draw_terms(results, terms)
    for place, axis in enumerate(results.axes):
        if scale is not None and lines_of(results, axis):
            name = f"axis-{place + 1}-" + re.sub(r"[^a-z0-9]+", "-", axis.lower()).strip("-")
            title = f"{results.metrics[0]} along the axis {axis}"
            yield name.strip("-"), title, RUNS, draw_axis(results, axis, scale)
