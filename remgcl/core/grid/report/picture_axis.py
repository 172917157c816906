"""The first metric along one axis of a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from remgcl.core.grid.report.picture_style import explain, line, mark
from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import estimate, measured
from remgcl.core.tables.words import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line: TypeAlias = Mapping[int, Mapping[int, float]]
"""Place on the axis to what was measured there, by seed."""

SPREAD = 0.5
"""Width over which the lines stand beside one another, at most, as a share of the way to the next value."""

APART = 0.1
"""Distance of two lines."""

WIDE = 16
"""Letters in a line below a value."""


def draw_axis(results: GridResults, axis: str, scale: Scale) -> Figure:
    """Draw what was measured at each value of an axis, a line for each choice on the other axes.

    Args:
        results: What came out of the grid.
        axis: Label of the axis.
        scale: How the first metric is written.
    """
    from matplotlib.figure import Figure

    values = results.axes[axis]
    lines = lines_of(results, axis)
    others = [other for other in results.axes if other != axis]
    figure = Figure(figsize=(min(9.0, 1.6 + 1.1 * len(values) + (1.8 if len(lines) > 1 else 0.0)), 3.2))
    axes = figure.add_subplot()
    shown = {}
    for place, (label, along) in enumerate(lines.items()):
        apart = min(APART, SPREAD / len(lines)) * (place - (len(lines) - 1) / 2)
        shown[label] = _draw(axes, along, scale, place, apart)
    if len(shown) > 1:
        explain(figure, shown, ", ".join(others))
    empty = set(range(len(values))) - {place for along in lines.values() for place in along}
    names = [
        wrapped(value, WIDE) + ("\n(none finished)" if place in empty else "") for place, value in enumerate(values)
    ]
    axes.set_xticks(range(len(values)), names)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_xlabel(axis)
    axes.set_ylabel(results.metrics[0] + scale.unit)
    return figure


def lines_of(results: GridResults, axis: str) -> dict[str, Line]:
    """Sort what was measured into lines along an axis: one for each choice on the other axes.

    Lines of a single point show nothing about the axis. They are left out where
    there are longer ones.

    Args:
        results: What came out of the grid.
        axis: Label of the axis.
    """
    lines: dict[str, dict[int, dict[int, float]]] = {}
    for result in results.cells:
        found = measured([result], results.metrics[0])
        value = result.settings.get(axis)
        if found and value in results.axes[axis]:
            others = ", ".join(result.settings.get(other, "") for other in results.axes if other != axis)
            lines.setdefault(others, {}).setdefault(results.axes[axis].index(value), {}).update(found)
    return {name: along for name, along in lines.items() if len(along) > 1} or lines  # type: ignore[return-value]


def _draw(axes: Axes, along: Line, scale: Scale, place: int, apart: float) -> Any:  # noqa: ANN401 - matplotlib's containers
    """Draw one line: its seeds thin, its means with their intervals on top; it is broken where nothing was measured."""
    look = line(place)
    places = range(min(along), max(along) + 1)
    for seed in sorted({seed for found in along.values() for seed in found}):
        values = [along.get(at, {}).get(seed, math.nan) * scale.factor for at in places]
        axes.plot([at + apart for at in places], values, **look, marker=".", linewidth=0.6, alpha=0.45)
    means = [estimate(list(along.get(at, {}).values())) for at in places]
    return axes.errorbar(
        [at + apart for at in places],
        [mean.mean * scale.factor for mean in means],
        yerr=[(mean.half or 0.0) * scale.factor for mean in means],
        marker=mark(place),
        markersize=5,
        elinewidth=1.1,
        capsize=2.5,
        **look,
    )
