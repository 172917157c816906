"""The pictures of a report: which there are, and in which form."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import evolve
from PIL import Image

from remgcl.core.grid.report import pictures
from remgcl.core.grid.report.pictures import draw
from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import CellResult, GridResults

Result: TypeAlias = Callable[..., CellResult]

PERCENT = Scale(share=True, decimals=1)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """A function that tells the names of a grid's pictures, which are not written out."""
    monkeypatch.setattr(pictures, "as_png", lambda _: b"")
    monkeypatch.setattr(pictures, "as_svg", lambda _: "")
    return lambda results, scale=PERCENT: [picture.name for picture in draw(results, scale)]


def test_there_are_curves_other_terms_and_a_picture_of_each_axis(
    losses: GridResults, names: Callable[..., list[str]]
) -> None:
    axes = {"losses": losses.axes["losses"], "Weight / β of": ("none", "1")}
    runs = tuple(evolve(run, settings={"losses": run.label, "Weight / β of": "1"}) for run in losses.cells)
    results = evolve(losses, axes=axes, cells=runs)
    assert names(results) == ["curves", "terms", "axis-1-losses", "axis-2-weight-of"]


def test_what_has_nothing_to_draw_has_no_picture(
    losses: GridResults, result: Result, names: Callable[..., list[str]]
) -> None:
    assert names(losses, None) == ["curves", "terms"]
    assert names(evolve(losses, cells=losses.cells[:3])) == ["curves", "axis-1-losses"]
    failed = result("a", 0, state="failed", curves={"language": [(1, 2.0)]}, metrics={"exact_match": 0.5})
    assert names(evolve(losses, cells=(failed,))) == []


def test_a_png_is_wide_enough_for_paper(report: Path) -> None:
    with Image.open(report / "pictures" / "curves.png") as picture:
        assert picture.width == 7.4 * 200
        assert picture.getpixel((0, 0))[:3] == (255, 255, 255)  # type: ignore[index]
