"""Learning curves of the cells of a grid: a line for each cell, and a band from its least to its largest seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from remgcl.core.grid.report.picture_style import explain, line
from remgcl.core.grid.results import CellResult, GridResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLUMNS = 3
"""Terms beside one another."""

END = 2 / 3
"""Share of the steps after which the curves' last third begins, where the cells are compared."""


def draw_language(results: GridResults, term: str) -> Figure:
    """Draw the language loss over the steps, as a whole, and the end of the trainings larger.

    Args:
        results: What came out of the grid.
        term: Its name among the terms.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 3.0))
    whole, end = figure.subplots(1, 2)
    lines = _draw(whole, results, term)
    _draw(end, results, term, END)
    whole.set_ylabel(f"{term} loss (nats per token)")
    end.set_title("the last third")
    for axes in (whole, end):
        axes.set_xlabel("optimizer step")
    explain(figure, lines)
    return figure


def draw_terms(results: GridResults, terms: Sequence[str]) -> Figure:
    """Draw other terms of the loss over the steps, each in axes of its own.

    Args:
        results: What came out of the grid.
        terms: The terms, at least one.
    """
    from matplotlib.figure import Figure

    columns = min(len(terms), COLUMNS)
    rows = -(-len(terms) // columns)
    figure = Figure(figsize=(2.3 * columns + 1.8, 2.2 * rows + 0.2))
    lines: dict[str, Any] = {}
    for place, term in enumerate(terms):
        axes = figure.add_subplot(rows, columns, place + 1)
        lines |= _draw(axes, results, term)
        axes.set_ylabel(f"{term} loss")
        if place >= len(terms) - columns:
            axes.set_xlabel("optimizer step")
    explain(figure, {label: lines[label] for label in _labels(results) if label in lines})
    return figure


def _draw(axes: Axes, results: GridResults, term: str, begin: float = 0.0) -> dict[str, Any]:
    """Draw a term of every cell that has it, from a share of its steps on."""
    lines: dict[str, Any] = {}
    for place, label in enumerate(_labels(results)):
        curve = band([result for result in results.cells if result.label == label], term)
        if curve is None:
            continue
        steps, values = curve
        kept = steps >= begin * steps[-1]
        steps, values, look = steps[kept], values[:, kept], line(place)
        look |= {"marker": "o"} if len(steps) == 1 else {}  # a line of one point shows nothing
        (lines[label],) = axes.plot(steps, values.mean(axis=0), **look)
        axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=look["color"], alpha=0.15, linewidth=0)
    return lines


def _labels(results: GridResults) -> tuple[str, ...]:
    return tuple(dict.fromkeys(result.label for result in results.cells))


def band(results: Sequence[CellResult], term: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Bring the curves of a cell's finished seeds to the same steps.

    Seeds that were logged at other steps are interpolated, where all of them
    have values on both sides. Values that are no numbers are left out.

    Args:
        results: All seeds of the cell.
        term: The term.

    Returns:
        Steps `[S]` and values `[seeds, S]`; nothing if no finished seed has
        the term, or if the seeds have no steps in common.
    """
    import numpy as np

    finished = [result.curves.get(term, ()) for result in results if result.state == "finished"]
    kept = [[(step, value) for step, value in curve if math.isfinite(value)] for curve in finished]
    curves = [np.array(curve, dtype=float).T for curve in kept if curve]
    if not curves:
        return None
    first, last = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    steps = np.unique(np.concatenate([steps for steps, _ in curves]))
    steps = steps[(steps >= first) & (steps <= last)]
    return (steps, np.stack([np.interp(steps, own, values) for own, values in curves])) if len(steps) else None
