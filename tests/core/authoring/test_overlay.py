"""The tower's input as a picture: what is drawn where, and in which colour."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from attrs import evolve
from PIL import Image

from remgcl import PatchGrid, Region, Sample
from remgcl.core.authoring.inspection import Inspection
from remgcl.core.authoring.overlay import COLOURS, DIMMED, GREY, SHADE, TAG, draw_image, patch_boxes, zoom_of
from remgcl.core.data.encode import Encoder

Ask: TypeAlias = Callable[..., Sample]
See: TypeAlias = Callable[..., Inspection]
Colour: TypeAlias = tuple[int, int, int]

ZOOM = 28
"""Pixels of the picture for each of the 32 of the small tower's input."""

PATCH = 8 * ZOOM
PAPER = (200, 200, 200)
"""The one colour of a plain sample's image."""

BELOW = ((0.0, 20.0), (40.0, 20.0), (40.0, 30.0), (0.0, 30.0))
"""On an image of 40 x 30: the lower two rows of patches, from pixel 20 to 28 of the tower's input."""

OUTSIDE = ((50.0, 0.0), (60.0, 0.0), (60.0, 9.0), (50.0, 9.0))


def near(picture: Image.Image, colour: Colour) -> int:
    """Count the pixels of about a colour."""
    return int((np.abs(np.asarray(picture).astype(int) - colour).max(axis=2) < 12).sum())


def inside(picture: Image.Image, patch: int) -> Colour:
    """Give the colour of a patch of 4 x 4 at a place where no line runs."""
    row, column = divmod(patch, 4)
    pixel = picture.getpixel((column * PATCH + PATCH // 2, row * PATCH + 20))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def mixed(below: Colour, above: Colour, share: float) -> object:
    """Lay a colour over another one."""
    return pytest.approx([one * (1 - share) + other * share for one, other in zip(below, above, strict=True)], abs=2)


@pytest.mark.parametrize(
    ("size", "zoom"), [((32, 32), 28), ((224, 224), 4), ((336, 336), 3), ((96, 48), 9), ((2000, 10), 1)]
)
def test_the_image_is_enlarged_to_about_the_width_of_its_column(size: tuple[int, int], zoom: int) -> None:
    assert zoom_of(size) == zoom


def test_the_image_is_what_the_tower_sees(see: See, ask: Ask, encoder: Encoder) -> None:
    """Off the lines of the grid, averaging over each pixel's place gives about the pixel back."""
    for aspect in ("pad", "crop", "stretch"):
        seen = see(ask(), evolve(encoder, aspect=aspect))
        picture = draw_image(seen)
        assert picture.size == (32 * ZOOM, 32 * ZOOM)
        image = seen.example.image
        assert image is not None
        shown = np.repeat(np.repeat(image.patch_mask.reshape(4, 4), 8, axis=0), 8, axis=1)
        back = np.asarray(picture).reshape(32, ZOOM, 32, ZOOM, 3)[:, 13:15, :, 13:15].mean(axis=(1, 3))
        wanted = image.pixels.transpose(1, 2, 0)
        assert np.abs(back - wanted)[shown].max() < 15


def test_patches_of_padding_are_dimmed_and_no_others(see: See, plain: Ask) -> None:
    """An image of 40 x 16 is laid on rows 10 to 22 of 32, so the outer rows of patches show padding only."""
    picture = draw_image(see(plain((40, 16))))
    padding = (127, 127, 127)
    for patch in range(4):
        dimmed = mixed(padding, (0, 0, 0), DIMMED)
        assert inside(picture, patch) == inside(picture, patch + 12) == dimmed
        assert inside(picture, patch + 4) == mixed(padding, padding, 0)  # padding above the image, in a patch of both
        assert inside(picture, patch + 8) == PAPER


def test_what_no_patch_sees_is_dimmed(see: See, plain: Ask, encoder: Encoder) -> None:
    grid = PatchGrid(rows=3, columns=2, patch=(10, 15.5))
    picture = draw_image(see(plain((32, 32)), evolve(encoder, tower=evolve(encoder.tower, grid=grid))))
    assert picture.getpixel((31 * ZOOM - 5, 30 * ZOOM - 5)) == PAPER
    for x, y in ((31 * ZOOM, 5), (5, 30 * ZOOM), (32 * ZOOM - 1, 32 * ZOOM - 1)):
        assert picture.getpixel((x, y)) == mixed(PAPER, (0, 0, 0), DIMMED)


def test_patches_stand_in_rows_and_leave_no_gap() -> None:
    grid = PatchGrid(rows=2, columns=3, patch=(4.5, 2.5))
    assert patch_boxes(grid, 1) == [
        (0, 0, 2, 4),
        (2, 0, 5, 4),
        (5, 0, 8, 4),
        (0, 4, 2, 9),
        (2, 4, 5, 9),
        (5, 4, 8, 9),
    ]


def test_the_grid_is_drawn(see: See, plain: Ask) -> None:
    picture = draw_image(see(plain((32, 32))))
    for edge in (PATCH, 2 * PATCH, 3 * PATCH, 4 * PATCH):
        assert picture.getpixel((edge - 1, 30)) != PAPER
        assert picture.getpixel((30, edge - 1)) != PAPER
    assert near(picture, PAPER) > 0.98 * picture.width * picture.height


def test_patches_of_a_region_have_its_colour_and_those_of_two_both(see: See, plain: Ask) -> None:
    left = ((0.0, 0.0), (10.0, 0.0), (10.0, 30.0), (0.0, 30.0))
    picture = draw_image(see(plain(regions=(Region("a", BELOW), Region("b", left)))))
    share = SHADE / 255
    first = tuple(round(one * (1 - share) + other * share) for one, other in zip(PAPER, COLOURS[0], strict=True))
    assert inside(picture, 6) == PAPER
    assert inside(picture, 10) == mixed(PAPER, COLOURS[0], share)
    assert inside(picture, 4) == mixed(PAPER, COLOURS[1], share)
    assert inside(picture, 8) == mixed((first[0], first[1], first[2]), COLOURS[1], share)


def test_a_region_is_outlined_and_numbered_where_it_lies(see: See, plain: Ask) -> None:
    quad = ((10.0, 10.0), (30.0, 12.0), (28.0, 20.0), (8.0, 18.0))
    seen = see(plain(regions=(Region("a", quad),)))
    picture = draw_image(seen)
    (region,) = seen.regions()
    for x, y in (region.quad + np.roll(region.quad, 1, axis=0)) / 2 * ZOOM:  # the middle of each edge
        box = (round(x) - 3, round(y) - 3, round(x) + 4, round(y) + 4)
        assert near(picture.crop(box), COLOURS[0]) > 5
    x, y = (round(part) for part in region.quad[0] * ZOOM)
    assert near(picture.crop((x, y - TAG, x + TAG, y)), COLOURS[0]) > TAG * TAG / 2
    assert near(picture.crop((x, y - TAG, x + TAG, y)), (255, 255, 255)) > 0


def test_regions_that_were_left_out_are_grey_and_shade_nothing(see: See, plain: Ask) -> None:
    picture = draw_image(see(plain(regions=(Region("", BELOW), Region("off", OUTSIDE)))))
    assert inside(picture, 10) == PAPER
    assert near(picture, GREY) > 100
    assert near(picture, COLOURS[0]) == near(picture, COLOURS[1]) == 0
    assert near(picture.crop((picture.width - TAG, 0, picture.width, 8 * ZOOM)), GREY) > TAG  # its number is in sight


def test_there_are_colours_for_any_number_of_regions(see: See, plain: Ask) -> None:
    regions = tuple(Region(str(place), BELOW) for place in range(len(COLOURS) + 1))
    assert len(set(COLOURS)) == len(COLOURS)
    assert near(draw_image(see(plain(regions=regions))), COLOURS[0]) > 0


def test_only_an_image_can_be_drawn(see: See, ask: Ask) -> None:
    with pytest.raises(TypeError, match=r"^the sample has no image$"):
        draw_image(see(ask(size=None)))


def test_a_region_far_away_is_drawn_without_complaint(see: See, plain: Ask) -> None:
    far = ((1e300, -1e300), (2e300, -1e300), (2e300, 0.0), (1e300, 0.0))
    picture = draw_image(see(plain(regions=(Region("far", far),))))
    assert near(picture, GREY) > TAG
