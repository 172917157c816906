"""The first metric along an axis: which points are joined, and what stands on top."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pytest
from attrs import evolve
from matplotlib.figure import Figure

from remgcl.core.grid.report.picture_axis import draw_axis, lines_of
from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import CellResult, GridResults
from remgcl.core.grid.statistics import estimate

Result: TypeAlias = Callable[..., CellResult]
Grid: TypeAlias = Callable[..., GridResults]

PERCENT = Scale(share=True, decimals=1)
VALUES = {"none": {0: 0.5, 1: 0.6}, "one": {0: 0.6, 1: 0.8}, "two": {0: 0.7, 1: 0.7}}


@pytest.fixture
def crossed(result: Result, grid: Grid) -> GridResults:
    """Three windows by two weights, but for one cell that failed."""
    runs = []
    for place, (window, weight) in enumerate((w, k) for w in ("a", "b", "c") for k in ("x", "y")):
        for seed in range(3):
            settings = {"window": window, "weight": weight}
            state = "failed" if (window, weight) == ("b", "y") else "finished"
            match = {"exact_match": 0.5 + place / 20 + seed / 99}
            runs.append(result(f"{window}{weight}", seed, settings=settings, metrics=match, state=state))
    return grid({}, axes={"window": ("a", "b", "c"), "weight": ("x", "y")}, cells=tuple(runs))


def drawn(figure: Figure) -> list[list[float]]:
    """Read the heights of the lines that join points, those of seeds and of means."""
    return [
        list(map(float, np.asarray(line.get_ydata())))
        for line in figure.axes[0].lines
        if line.get_linestyle() != "None"
    ]


def test_seeds_are_thin_lines_below_the_means(grid: Grid) -> None:
    figure = draw_axis(grid(VALUES), "losses", PERCENT)
    first, second, means = drawn(figure)
    assert first == pytest.approx([50, 60, 70])
    assert second == pytest.approx([60, 80, 70])
    assert means == pytest.approx([55, 70, 70])
    assert figure.legends == []


def test_intervals_stand_on_the_means(grid: Grid) -> None:
    figure = draw_axis(grid(VALUES), "losses", PERCENT)
    (bars,) = figure.axes[0].collections
    heights = [(segment[0][1], segment[1][1]) for segment in bars.get_segments()]  # type: ignore[attr-defined]
    bounds = [estimate(list(found.values())).bounds or (0, 0) for found in VALUES.values()]
    np.testing.assert_allclose(heights, [[100 * end for end in pair] for pair in bounds])


def test_axes_are_named_with_their_unit(grid: Grid) -> None:
    axes = draw_axis(grid(VALUES), "losses", PERCENT).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("losses", "exact_match (%)")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "one", "two"]


def test_there_is_a_line_for_each_choice_on_the_other_axes(crossed: GridResults) -> None:
    lines = lines_of(crossed, "window")
    assert {name: sorted(along) for name, along in lines.items()} == {"x": [0, 1, 2], "y": [0, 2]}
    figure = draw_axis(crossed, "window", PERCENT)
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "weight"
    assert [text.get_text() for text in legend.get_texts()] == ["x", "y"]
    places = [np.asarray(line.get_xdata())[0] for line in figure.axes[0].lines if line.get_linestyle() != "None"]
    assert len(set(places)) == 2


def test_a_line_is_broken_where_nothing_was_measured(crossed: GridResults) -> None:
    gaps = [int(np.isnan(line[1])) for line in drawn(draw_axis(crossed, "window", PERCENT))]
    assert gaps == [0] * 4 + [1] * 4


def test_a_value_without_a_finished_run_says_so(result: Result, grid: Grid) -> None:
    results = grid(VALUES)
    lost = result("two", 0, state="failed")
    figure = draw_axis(evolve(results, cells=(*results.cells[:4], lost)), "losses", PERCENT)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()][2] == "two\n(none finished)"


def test_single_points_are_left_out_where_there_are_lines(result: Result, grid: Grid) -> None:
    def alone(window: str, weight: str) -> CellResult:
        settings: Mapping[str, str] = {"window": window, "weight": weight}
        return result(window + weight, 0, settings=settings, metrics={"exact_match": 0.5})

    results = grid({}, axes={"window": ("a", "b"), "weight": ("x", "y")})
    longer = (alone("a", "x"), alone("b", "x"), alone("a", "y"))
    assert list(lines_of(evolve(results, cells=longer), "window")) == ["x"]
    points = (alone("a", "x"), alone("b", "y"))
    assert list(lines_of(evolve(results, cells=points), "window")) == ["x", "y"]


def test_cells_without_the_axis_are_not_on_it(result: Result, grid: Grid) -> None:
    results = grid(VALUES)
    other = result("other", 0, settings={}, metrics={"exact_match": 0.1})
    assert lines_of(evolve(results, cells=(*results.cells, other)), "losses") == lines_of(results, "losses")
