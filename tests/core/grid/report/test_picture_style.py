"""How pictures look: lines that are told apart, names as they are, and the same bytes each time."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
from attrs import evolve
from matplotlib import rc_context
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from remgcl.core.grid.report.picture_axis import draw_axis
from remgcl.core.grid.report.picture_style import COLOURS, INK, STYLE, as_png, as_svg, line, mark
from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import CellResult, GridResults

Result: TypeAlias = Callable[..., CellResult]


def small() -> Figure:
    """Draw two lines."""
    with rc_context(STYLE):
        figure = Figure(figsize=(3, 2))
        axes = figure.add_subplot()
        for place in range(2):
            axes.plot([1, 2], [place, 2], **line(place))
        axes.set_xlabel("step")
        return figure


def test_the_first_lines_differ_in_colour_and_the_next_in_dashes() -> None:
    looks = [line(place) for place in range(28)]
    assert len({look["color"] for look in looks[:7]}) == 7
    assert len({str(look) for look in looks}) == 28
    assert line(28) == line(0)
    assert [mark(place) for place in (0, 6, 7, 14, 21)] == list("oosD^")


def test_colours_differ_in_lightness_from_white_and_black() -> None:
    """So that they are seen on a light page and on a dark one."""
    for colour in COLOURS:
        red, green, blue = to_rgb(colour)
        assert 0.15 < 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.75


def test_the_same_figure_makes_the_same_files() -> None:
    one, two = small(), small()
    with rc_context(STYLE):
        assert as_png(one) == as_png(two)
        assert as_svg(one) == as_svg(two)


def test_an_svg_has_the_ink_of_its_page_and_no_background() -> None:
    with rc_context(STYLE):
        svg = as_svg(small())
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert 'viewBox="0 0 216 144" width="216pt">' in svg
    assert INK not in svg
    assert "fill: currentColor" in svg
    assert "#ffffff" not in svg


@pytest.mark.parametrize("name", [r"$\frac", "_hidden", "50 % & <b>", "two\nlines"])
def test_names_are_drawn_as_they_are(name: str, result: Result, grid: Callable[..., GridResults]) -> None:
    runs = tuple(
        result("x", 0, settings={name: value, "other": value + other}, metrics={"exact_match": 0.5})
        for value in (name, "b")
        for other in "ab"
    )
    results = evolve(grid({}), axes={name: (name, "b"), "other": ()}, cells=runs)
    with rc_context(STYLE):
        figure = draw_axis(results, name, Scale(share=True, decimals=1))
        figure.draw_without_rendering()
    assert figure.axes[0].get_xlabel() == name
    assert figure.legends[0].get_texts()[0].get_text().split() == f"{name}a".split()
