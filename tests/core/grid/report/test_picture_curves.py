"""Learning curves: what is drawn of which runs."""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import pytest
from attrs import evolve
from matplotlib import rc_context

from remgcl.core.grid.report.picture_curves import band, draw_language, draw_terms
from remgcl.core.grid.report.picture_style import STYLE
from remgcl.core.grid.results import CellResult, GridResults

Result: TypeAlias = Callable[..., CellResult]


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    """Draw as a report does."""
    with rc_context(STYLE):
        yield


def test_seeds_of_the_same_steps_are_taken_as_they_are(result: Result) -> None:
    curves = ([(1, 3.0), (2, 2.0)], [(1, 5.0), (2, 4.0)])
    found = band([result("a", seed, curves={"language": curve}) for seed, curve in enumerate(curves)], "language")
    assert found is not None
    assert found[0].tolist() == [1, 2]
    assert found[1].tolist() == [[3.0, 2.0], [5.0, 4.0]]


def test_seeds_of_other_steps_are_interpolated_where_both_are(result: Result) -> None:
    curves = ([(0, 4.0), (2, 2.0), (6, 0.0)], [(1, 5.0), (4, 2.0)])
    found = band([result("a", seed, curves={"language": curve}) for seed, curve in enumerate(curves)], "language")
    assert found is not None
    assert found[0].tolist() == [1, 2, 4]
    np.testing.assert_allclose(found[1], [[3.0, 2.0, 1.0], [5.0, 4.0, 2.0]])


def test_only_finite_values_of_finished_seeds_count(result: Result) -> None:
    whole = result("a", 0, curves={"language": [(1, 3.0), (2, math.nan), (3, 1.0)]})
    failed = result("a", 1, state="failed", curves={"language": [(1, 9.0), (3, 9.0)]})
    found = band([whole, failed], "language")
    assert found is not None
    assert (found[0].tolist(), found[1].tolist()) == ([1, 3], [[3.0, 1.0]])


@pytest.mark.parametrize("curves", [[], [[]], [[(1, math.nan)]], [[(1, 1.0), (2, 1.0)], [(3, 1.0), (4, 1.0)]]])
def test_there_is_no_line_where_there_is_nothing_in_common(
    curves: list[list[tuple[int, float]]], result: Result
) -> None:
    assert band([result("a", seed, curves={"language": c}) for seed, c in enumerate(curves)], "language") is None


def test_the_language_loss_is_drawn_whole_and_its_last_third(losses: GridResults) -> None:
    figure = draw_language(losses, "language")
    whole, end = figure.axes
    assert whole.get_ylabel() == "language loss (nats per token)"
    assert whole.get_xlabel() == end.get_xlabel() == "optimizer step"
    assert [len(axes.lines) for axes in (whole, end)] == [4, 4]
    assert [len(axes.collections) for axes in (whole, end)] == [4, 4]
    assert list(whole.lines[0].get_xdata()) == list(range(10, 101, 10))
    assert list(end.lines[0].get_xdata()) == [70, 80, 90, 100]
    means = np.mean([[value for _, value in run.curves["language"]] for run in losses.cells[:3]], axis=0)
    np.testing.assert_allclose(whole.lines[0].get_ydata(), means)


def test_the_legend_stands_outside_the_axes(losses: GridResults) -> None:
    figure = draw_language(losses, "language")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["none", "global", "a|b_c & <d>", "all"]
    assert all(legend.get_window_extent().x0 >= axes.get_window_extent().x1 for axes in figure.axes)


def test_a_long_legend_makes_a_high_figure(result: Result, losses: GridResults) -> None:
    runs = tuple(result(f"cell {i}", 0, curves={"language": [(1, 2.0), (2, 1.0)]}) for i in range(40))
    figure = draw_language(evolve(losses, cells=runs), "language")
    figure.draw_without_rendering()
    extent = figure.legends[0].get_window_extent()
    assert extent.y0 >= 0
    assert extent.y1 <= figure.bbox.height
    looks = {(line.get_color(), str(line.get_linestyle()), str(line._dash_pattern)) for line in figure.axes[0].lines}
    assert len(looks) == 28


def test_each_other_term_has_its_axes_and_a_cell_the_same_look_in_all(losses: GridResults) -> None:
    both = draw_terms(losses, ["global", "language"])
    first, second = both.axes
    assert [axes.get_ylabel() for axes in (first, second)] == ["global loss", "language loss"]
    assert len(first.lines) == 3
    assert [line.get_color() for line in first.lines] == [line.get_color() for line in second.lines][1:]
    assert [text.get_text() for text in both.legends[0].get_texts()] == ["none", "global", "a|b_c & <d>", "all"]


def test_four_terms_stand_in_two_rows(losses: GridResults) -> None:
    figure = draw_terms(losses, ["global"] * 4)
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 3)
    assert [bool(axes.get_xlabel()) for axes in figure.axes] == [False, True, True, True]
