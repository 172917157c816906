"""Learning curves of the cells of a grid: a line for each cell, and a band from its least to its largest seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from remgcl.core.grid.picture_style import explain, line
from remgcl.core.grid.results import CellResult, GridResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLUMNS = 3
"""Terms beside one another."""

DECADE = 10
"""Largest value by least, from which on the axis is logarithmic."""


def draw_curves(results: GridResults, terms: Sequence[str], unit: str = "") -> Figure:
    """Draw terms of the loss over the steps of the trainings that finished, each term in axes of its own.

    Args:
        results: What came out of the grid.
        terms: The terms, at least one.
        unit: Unit of their values.
    """
    from matplotlib.figure import Figure

    columns = min(len(terms), COLUMNS)
    rows = -(-len(terms) // columns)
    figure = Figure(figsize=(6.4, 3.4) if columns == rows == 1 else (2.4 * columns + 1.6, 2.2 * rows + 0.2))
    lines: dict[str, Any] = {}
    for place, term in enumerate(terms):
        axes = figure.add_subplot(rows, columns, place + 1)
        lines |= _draw(axes, results, term)
        axes.set_ylabel(f"{term} loss{f' ({unit})' if unit else ''}")
        if place >= len(terms) - columns:
            axes.set_xlabel("optimizer step")
    labels = dict.fromkeys(result.label for result in results.cells)
    explain(figure, {label: lines[label] for label in labels if label in lines})
    return figure


def _draw(axes: Axes, results: GridResults, term: str) -> dict[str, Any]:
    """Draw a term of every cell that has it."""
    lines: dict[str, Any] = {}
    extremes = []
    for place, label in enumerate(dict.fromkeys(result.label for result in results.cells)):
        held = [result for result in results.cells if result.label == label]
        if (curve := band(held, term)) is None:
            continue
        steps, values = curve
        look = line(place)
        (lines[label],) = axes.plot(steps, values.mean(axis=0), **look)
        if len(values) > 1:
            axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=look["color"], alpha=0.15, linewidth=0)
        extremes += [values.min(), values.max()]
    if extremes and 0 < DECADE * min(extremes) < max(extremes):
        axes.set_yscale("log")
    return lines


def band(results: Sequence[CellResult], term: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Bring the curves of a cell's finished seeds to the same steps.

    Seeds that were logged at other steps are interpolated, where all of them
    have values on both sides.

    Args:
        results: All seeds of the cell.
        term: The term.

    Returns:
        Steps `[S]` and values `[seeds, S]`; nothing if no finished seed has
        the term.
    """
    import numpy as np

    curves = [np.array(curve, dtype=float).T for curve in _finished(results, term)]
    if not curves:
        return None
    first, last = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    steps = np.unique(np.concatenate([steps for steps, _ in curves]))
    steps = steps[(steps >= first) & (steps <= last)]
    return steps, np.stack([np.interp(steps, own, values) for own, values in curves])


def _finished(results: Sequence[CellResult], term: str) -> Iterator[Sequence[tuple[int, float]]]:
    for result in results:
        if result.state == "finished" and result.curves.get(term):
            yield result.curves[term]
