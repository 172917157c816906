"""The report of a grid: Markdown, CSV, LaTeX, an HTML page and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from remgcl.core.files.whole import write, writing
from remgcl.core.grid.report.content import content_of
from remgcl.core.grid.report.csv import runs, summary
from remgcl.core.grid.report.html import html
from remgcl.core.grid.report.latex import latex
from remgcl.core.grid.report.markdown import markdown
from remgcl.core.grid.report.pictures import draw
from remgcl.core.grid.results import GridResults


def write_report(results: GridResults, folder: Path) -> tuple[Path, ...]:
    """Write the report of a grid, each file whole or not at all.

    Args:
        results: What came out of the grid.
        folder: Where to; it is made.

    Returns:
        The files: `report.html`, `report.md`, `report.tex`, `report.csv` of
        the runs, `summary.csv` of the cells, and `pictures/`.

    Raises:
        RunError: The folder cannot be written.
    """
    files = dict(_files(results))
    with writing(folder):
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write(folder / name, content)
    return tuple(folder / name for name in files)


def _files(results: GridResults) -> Iterator[tuple[str, bytes]]:
    """Make the content of each file."""
    content = content_of(results)
    pictures = draw(results, content.scale)
    yield "report.html", html(content, pictures).encode()
    yield "report.md", markdown(content, pictures).encode()
    yield "report.tex", latex(content).encode()
    yield "report.csv", runs(results).encode()
    yield "summary.csv", summary(results, content.cells).encode()
    yield from ((f"pictures/{picture.name}.png", picture.png) for picture in pictures)
