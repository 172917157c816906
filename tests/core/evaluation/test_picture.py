"""The picture of held-out images: what is drawn where, and in which colour."""

from collections.abc import Callable

import numpy as np
import pytest
from attrs import evolve
from PIL import Image

from remgcl import Region, Sample
from remgcl.core.evaluation.answers import Answered
from remgcl.core.evaluation.picture import BLUE, CELL, COLUMNS, GAP, GREEN, INK, LINE, RED, _with_regions, draw

Ask = Callable[..., Sample]
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

WIDE, HIGH = CELL + GAP, CELL + 3 * LINE + GAP


def near(picture: Image.Image, colour: Colour, box: tuple[int, int, int, int] | None = None) -> int:
    """Count the pixels of about a colour in a box of a picture."""
    pixels = np.asarray(picture.crop(box) if box else picture).astype(int)
    return int((np.abs(pixels - colour).max(axis=2) < 40).sum())


def line(place: int, which: int) -> tuple[int, int, int, int]:
    """Give the box of a line of text below an image: 0 asks, 1 is true, 2 is read."""
    left, top = GAP + place % COLUMNS * WIDE, GAP + place // COLUMNS * HIGH + CELL + 4 + which * LINE
    return (left, top, left + CELL + GAP, top + LINE)


def cell(place: int) -> tuple[int, int, int, int]:
    """Give the box of an image."""
    left, top = GAP + place % COLUMNS * WIDE, GAP + place // COLUMNS * HIGH
    return (left, top, left + CELL, top + CELL)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (COLUMNS, 1), (COLUMNS + 1, 2), (3 * COLUMNS, 3)])
def test_samples_stand_in_rows_of_four(count: int, rows: int, ask: Ask) -> None:
    picture = draw([Answered(ask(), "yes")] * count)

    assert COLUMNS == 4
    assert picture.mode == "RGB"
    assert picture.size == (COLUMNS * WIDE + GAP, rows * HIGH + GAP)
    assert [near(picture, GREEN, line(place, 2)) > 0 for place in range(rows * COLUMNS)] == [
        place < count for place in range(rows * COLUMNS)
    ]


def test_a_right_answer_is_green_and_a_wrong_one_red(ask: Ask) -> None:
    picture = draw([Answered(ask("yes"), " yes "), Answered(ask("yes"), "no")])

    assert near(picture, GREEN, line(0, 2)) > 0 == near(picture, RED, line(0, 2))
    assert near(picture, RED, line(1, 2)) > 0 == near(picture, GREEN, line(1, 2))
    for place in (0, 1):
        for which in (0, 1):
            assert near(picture, INK, line(place, which)) > 0
            assert near(picture, GREEN, line(place, which)) == near(picture, RED, line(place, which)) == 0


def test_question_true_answer_and_answer_are_written_below_the_image(ask: Ask) -> None:
    def lines(question: str, true: str, said: str) -> list[bytes]:
        picture = draw([Answered(ask(true, question, size=None), said)])
        return [picture.crop(line(0, which)).tobytes() for which in range(3)]

    before = lines("Who?", "me", "you")

    assert [one != other for one, other in zip(lines("When?", "me", "you"), before, strict=True)] == [
        True,
        False,
        False,
    ]
    assert [one != other for one, other in zip(lines("Who?", "it", "you"), before, strict=True)] == [False, True, False]
    assert [one != other for one, other in zip(lines("Who?", "me", "us"), before, strict=True)] == [False, False, True]


@pytest.mark.parametrize(
    ("size", "shown"),
    [((300, 150), (224, 112)), ((150, 300), (112, 224)), ((20, 20), (224, 224)), ((900, 1), (224, 1))],
)
def test_an_image_fills_its_cell_in_one_direction(size: tuple[int, int], shown: tuple[int, int], ask: Ask) -> None:
    sample = evolve(ask(), image=Image.new("RGB", size, (200, 0, 200)))

    picture = draw([Answered(sample, "yes")])

    pixels = np.asarray(picture.crop(cell(0))).astype(int)
    purple = np.abs(pixels - (200, 0, 200)).max(axis=2) < 40
    assert (purple.any(axis=0).sum(), purple.any(axis=1).sum()) == pytest.approx(shown, abs=1)
    assert purple[:, 0].any()  # on the left, and above
    assert purple[0].any()


def test_regions_are_outlined_where_they_are_in_the_image(ask: Ask) -> None:
    corners = ((100.0, 40.0), (160.0, 40.0), (160.0, 80.0), (100.0, 80.0))
    sample = ask(regions=(Region("KFC", corners),))
    sample = evolve(sample, image=Image.new("RGB", (400, 200), "white"))

    picture = draw([Answered(sample, "yes")]).crop(cell(0))

    pixels = np.asarray(picture).astype(int)
    blue = np.abs(pixels - BLUE).max(axis=2) < 40
    rows, columns = np.flatnonzero(blue.any(axis=1)), np.flatnonzero(blue.any(axis=0))
    scale = CELL / 400
    edges = (columns[0], rows[0], columns[-1], rows[-1])
    assert edges == pytest.approx((100 * scale, 40 * scale, 160 * scale, 80 * scale), abs=2)
    assert not blue[rows[0] + 5 : rows[-1] - 5, columns[0] + 5 : columns[-1] - 5].any()  # an outline, not a patch


def test_an_image_of_any_mode_is_drawn_and_left_alone(ask: Ask) -> None:
    for mode in ("1", "L", "P", "RGBA", "CMYK"):
        image = Image.new("RGB", (30, 20), (255, 255, 255)).convert(mode)
        before = image.tobytes()
        draw([Answered(evolve(ask(), image=image), "yes")])
        assert (image.mode, image.tobytes()) == (mode, before)


def test_a_sample_without_an_image_has_an_empty_frame(ask: Ask) -> None:
    picture = draw([Answered(ask(size=None), "yes")])

    left, top, right, bottom = cell(0)
    inside = picture.crop((left, top, right - 1, bottom - 1))
    assert near(inside, WHITE) == inside.width * inside.height
    assert picture.getpixel((left - 1, top - 1)) == (200, 200, 200)
    assert near(picture, INK, line(0, 0)) > 0


def test_only_an_image_can_be_fitted_into_a_cell(ask: Ask) -> None:
    with pytest.raises(TypeError, match=r"^the sample has no image$"):
        _with_regions(Answered(ask(size=None), "yes"))


@pytest.mark.parametrize("text", ["long words " * 40, "x" * 500, "one\nmore\n" * 50, "i " * 300])
def test_a_text_is_cut_where_its_cell_ends(text: str, ask: Ask) -> None:
    picture = draw([Answered(ask(text, size=None), text)])

    beyond = np.asarray(picture.crop((GAP + CELL + 2, 0, picture.width, picture.height)))
    assert (beyond == 255).all()
    below = np.asarray(picture.crop((0, GAP + CELL + 4 + 3 * LINE, picture.width, picture.height)))
    assert (below == 255).all()
    assert near(picture, GREEN, line(0, 2)) > 100


@pytest.mark.parametrize("text", ["", " ", "\N{GRINNING FACE}", "\N{CJK UNIFIED IDEOGRAPH-4E2D}", "a\tb"])
def test_any_text_can_be_drawn(text: str, ask: Ask) -> None:
    assert near(draw([Answered(ask("yes", size=None), text)]), RED) > 0  # what is read has its label at least
