"""Geometry: points, boxes and padding on a patch grid, against pictures painted pixel by pixel."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from remgcl.core.data.geometry import COVERED, Placement, content_mask, crop_size, patch_weights, place
from remgcl.core.parts import Aspect, PatchGrid

ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
UNTOUCHED = Placement(scale=(1, 1), offset=(0, 0), original=(100, 100))
ONE_PATCH = PatchGrid(rows=1, columns=1, patch=(100, 100))

Pair = tuple[float, float]
Box = tuple[float, float, float, float]


def quad(box: Box) -> list[tuple[float, float]]:
    """Give the corners of a box (left, top, right, bottom), clockwise."""
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


@frozen(kw_only=True)
class Scene:
    """An image, a tower's input that is a whole multiple of it, and a grid on that input.

    So each pixel of the original becomes a block of whole pixels, and areas
    can be counted without any arithmetic of points.
    """

    original: tuple[int, int]
    size: tuple[int, int]
    aspect: Aspect
    times: tuple[int, int]
    grid: PatchGrid

    def lay(self, painted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Lay a painted original on the input, and count the painted pixels of each patch `[P]`."""
        (width, height), (rows, columns) = self.original, self.size
        if self.aspect == "pad":
            square = max(width, height)
            above, before = (square - height) // 2, (square - width) // 2
            painted = np.pad(
                painted, ((above, square - height - above), (before, square - width - before)), constant_values=False
            )
        painted = painted.repeat(self.times[1], axis=0).repeat(self.times[0], axis=1)
        if self.aspect == "crop":
            top, left = (painted.shape[0] - rows) // 2, (painted.shape[1] - columns) // 2
            painted = painted[top : top + rows, left : left + columns]
        assert painted.shape == self.size
        high, wide = (int(part) for part in self.grid.patch)
        seen = painted[: self.grid.rows * high, : self.grid.columns * wide]
        return seen.reshape(self.grid.rows, high, self.grid.columns, wide).sum(axis=(1, 3)).reshape(-1)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Make an image of any shape, any aspect, and a grid that may leave a rest of the input."""
    width, height = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    aspect = draw(st.sampled_from(ASPECTS))
    across, down = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    if aspect == "pad":
        size = (down * max(width, height), across * max(width, height))
    elif aspect == "crop":
        edge = across * min(width, height)
        shorter, down = draw(st.integers(1, edge)), across
        size = draw(st.sampled_from([(edge, shorter), (shorter, edge), (edge, edge)]))
    else:
        size = (down * height, across * width)
    patch = (draw(st.integers(1, size[0])), draw(st.integers(1, size[1])))
    grid = PatchGrid(
        rows=draw(st.integers(1, size[0] // patch[0])), columns=draw(st.integers(1, size[1] // patch[1])), patch=patch
    )
    return Scene(original=(width, height), size=size, aspect=aspect, times=(across, down), grid=grid)


@settings(deadline=None, max_examples=400)
@given(scenes(), st.data())
def test_a_box_owns_the_patches_of_which_it_covers_a_twentieth_whatever_image_aspect_and_grid(
    scene: Scene, data: st.DataObject
) -> None:
    """The quadrilateral may lie askew and stick out of the image: its hull counts, clipped."""
    width, height = scene.original
    corners = data.draw(
        st.lists(st.tuples(st.integers(-4, width + 4), st.integers(-4, height + 4)), min_size=4, max_size=4)
    )
    painted = np.zeros((height, width), dtype=np.bool_)
    left, top = np.min(corners, axis=0).clip(0)
    right, bottom = np.max(corners, axis=0).clip(0)
    painted[top:bottom, left:right] = True
    twentieths, area = 20 * scene.lay(painted), int(np.prod(scene.grid.patch))

    [weights] = patch_weights([corners], place(scene.original, scene.size, scene.aspect), scene.grid)

    assert weights.shape == (scene.grid.patches,)
    assert ((weights > 0) == (twentieths >= area)).all()
    owned = weights[weights > 0]
    assert len(set(owned)) <= 1
    assert owned.sum() == pytest.approx(1 if len(owned) else 0)


@settings(deadline=None, max_examples=300)
@given(scenes())
def test_a_patch_has_content_if_it_shows_a_pixel_of_the_image_whatever_image_aspect_and_grid(scene: Scene) -> None:
    width, height = scene.original
    shown = scene.lay(np.ones((height, width), dtype=np.bool_)) > 0

    mask = content_mask(place(scene.original, scene.size, scene.aspect), scene.grid)

    assert mask.dtype == np.bool_
    assert mask.tolist() == shown.tolist()


sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@settings(deadline=None)
@given(sizes, st.tuples(st.integers(8, 600), st.integers(8, 600)))
def test_a_padded_image_fills_one_direction_and_is_centred_in_the_other(
    original: tuple[int, int], size: tuple[int, int]
) -> None:
    low, high = place(original, size, "pad").apply([(0, 0), original])
    limit = np.array(size[::-1], dtype=np.float64)
    longer = int(original[1] > original[0])

    assert low[longer] == 0
    assert high[longer] == pytest.approx(limit[longer])
    pixel = limit / max(original)  # an odd margin leaves one pixel more after the image than before it
    assert (low >= 0).all()
    assert (high <= limit + 1e-9).all()
    assert (limit - high - low <= pixel + 1e-9).all()
    assert (limit - high - low >= -1e-9).all()


@settings(deadline=None)
@given(sizes, st.tuples(st.integers(8, 600), st.integers(8, 600)))
def test_a_cropped_image_covers_the_whole_input_and_its_middle_stays(
    original: tuple[int, int], size: tuple[int, int]
) -> None:
    low, high = place(original, size, "crop").apply([(0, 0), original])
    limit = np.array(size[::-1], dtype=np.float64)

    assert (low <= 0).all()
    assert (high >= limit - 1e-9).all()
    assert np.abs((low + high) - limit).max() <= 1 + 1e-9  # an odd rest cuts one pixel more after than before


@settings(deadline=None)
@given(sizes, st.tuples(st.integers(8, 600), st.integers(8, 600)))
def test_a_stretched_image_ends_where_the_input_ends(original: tuple[int, int], size: tuple[int, int]) -> None:
    corners = place(original, size, "stretch").apply([(0, 0), original])

    assert corners == pytest.approx(np.array([(0, 0), size[::-1]], dtype=np.float64))


@pytest.mark.parametrize(
    ("original", "size", "aspect", "scale", "offset"),
    [
        ((8, 5), (8, 8), "pad", (1, 1), (0, 1)),  # one row above, two below
        ((5, 8), (16, 32), "pad", (4, 2), (4, 0)),
        ((7, 4), (4, 4), "crop", (1, 1), (-1, 0)),  # one column is cut before, two after
        ((4, 7), (8, 4), "crop", (2, 2), (-2, -3)),
        ((4, 8), (16, 2), "stretch", (0.5, 2), (0, 0)),
    ],
)
def test_an_odd_rest_is_one_pixel_more_on_the_far_side(
    original: tuple[int, int], size: tuple[int, int], aspect: Aspect, scale: Pair, offset: Pair
) -> None:
    assert place(original, size, aspect) == Placement(scale=scale, offset=offset, original=original)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_placement_remembers_the_size_of_the_original(aspect: Aspect) -> None:
    assert place((31, 57), (64, 48), aspect).original == (31, 57)


def test_points_of_any_leading_shape_are_scaled_and_then_moved() -> None:
    placement = Placement(scale=(2, 0.5), offset=(-3, 10), original=(8, 8))

    assert placement.apply((4, 4)).tolist() == [5, 12]
    assert placement.apply(np.zeros((3, 4, 2))).tolist() == [[[-3, 10]] * 4] * 3


@pytest.mark.parametrize(
    ("original", "size", "resized"),
    [
        ((100, 50), (224, 224), (448, 224)),
        ((50, 100), (224, 224), (224, 448)),
        ((70, 70), (224, 224), (224, 224)),
        ((1200, 899), (224, 224), (298, 224)),  # 298.998... is rounded down
        ((899, 1200), (224, 224), (224, 298)),
        ((100, 50), (30, 60), (120, 60)),  # the longer edge of the crop is filled
        ((50, 100), (60, 30), (60, 120)),
    ],
)
def test_before_a_crop_the_shorter_edge_fits_and_the_longer_is_rounded_down(
    original: tuple[int, int], size: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert crop_size(original, size) == resized


def test_a_patch_is_owned_from_a_twentieth_of_its_area_on() -> None:
    assert COVERED == 0.05
    boxes: list[Box] = [(0, 0, 5, 100), (0, 0, 4.99, 100), (50, 50, 75, 70), (50, 50, 75, 69.9)]

    weights = patch_weights([quad(box) for box in boxes], UNTOUCHED, ONE_PATCH)

    assert weights.tolist() == [[1], [0], [1], [0]]


@pytest.mark.parametrize(("high", "wide"), [(3, 20), (7, 60), (11, 40), (20, 49), (57, 20)])
def test_no_rounding_takes_a_patch_from_a_box_that_covers_a_twentieth_of_it(high: int, wide: int) -> None:
    boxes = [(0, 0, high * wide // 20 // down, down) for down in range(1, high + 1) if high * wide // 20 % down == 0]
    grid = PatchGrid(rows=1, columns=1, patch=(high, wide))

    assert patch_weights([quad(box) for box in boxes if box[2] <= wide], UNTOUCHED, grid).all()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 3, 0, 1), (3, 2, 1, 0)])
def test_the_order_of_the_corners_does_not_matter(order: tuple[int, ...]) -> None:
    corners = np.array(quad((10, 10, 60, 40)))[list(order)]
    grid = PatchGrid(rows=4, columns=4, patch=(25, 25))

    assert np.flatnonzero(patch_weights(corners, UNTOUCHED, grid)).tolist() == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize(
    "box",
    [(30, 30, 30, 80), (30, 30, 80, 30), (-50, 10, -5, 30), (10, 101, 30, 150)],
    ids=["no width", "no height", "left of the image", "below the image"],
)
def test_a_box_without_area_inside_the_image_owns_no_patch(box: Box) -> None:
    assert not patch_weights([quad(box)], UNTOUCHED, PatchGrid(rows=10, columns=10, patch=(10, 10))).any()


def test_a_box_that_leaves_a_padded_image_owns_no_patch_of_padding() -> None:
    placement = place((100, 50), (100, 100), "pad")
    grid = PatchGrid(rows=4, columns=4, patch=(25, 25))

    [weights] = patch_weights([quad((-100, -100, 200, 200))], placement, grid)

    assert ((weights > 0) == content_mask(placement, grid)).all()
    assert np.flatnonzero(weights).tolist() == list(range(4, 12))


def test_no_box_makes_no_row() -> None:
    assert patch_weights([], UNTOUCHED, PatchGrid(rows=3, columns=5, patch=(20, 20))).shape == (0, 15)


def test_many_boxes_are_weighed_as_each_alone() -> None:
    placement, grid = place((640, 480), (224, 224), "pad"), PatchGrid(rows=16, columns=16, patch=(14, 14))
    corners = np.random.default_rng(0).uniform(-20, 660, (50, 4, 2))

    together = patch_weights(corners, placement, grid)

    assert (together > 0).any(axis=1).sum() > 40
    assert together.tolist() == [patch_weights(each, placement, grid)[0].tolist() for each in corners]


def test_what_a_grid_leaves_over_belongs_to_no_patch() -> None:
    """27 x 27 patches of 14 pixels on an input of 384: six pixels on the right and below are unseen."""
    grid = PatchGrid(rows=27, columns=27, patch=(14, 14))
    placement = place((384, 384), (384, 384), "stretch")
    boxes: list[Box] = [(378, 0, 384, 384), (0, 378, 384, 384), (370, 370, 384, 384), (0, 0, 384, 384)]

    right, below, corner, whole = patch_weights([quad(box) for box in boxes], placement, grid)

    assert not right.any()
    assert not below.any()
    assert np.flatnonzero(corner).tolist() == [27 * 27 - 1]
    assert (whole > 0).all()
    assert content_mask(placement, grid).all()


def test_a_grid_is_in_rows_and_a_patch_may_be_wider_than_high() -> None:
    grid = PatchGrid(rows=10, columns=2, patch=(10, 50))

    [weights] = patch_weights([quad((60, 20, 90, 40))], UNTOUCHED, grid)

    assert grid.patches == 20
    assert np.flatnonzero(weights).tolist() == [2 * 2 + 1, 3 * 2 + 1]


@pytest.mark.parametrize("name", ["p14", "p16"])
def test_the_patches_of_the_published_boxes_are_reproduced(recorded: Path, name: str) -> None:
    record = json.loads((recorded / name / "geometry.json").read_text(encoding="utf-8"))
    grid = PatchGrid(rows=14, columns=14, patch=(16, 16))
    found = [
        np.flatnonzero(patch_weights([quad(each["box"])], place(each["size"], (224, 224), "stretch"), grid)).tolist()
        for each in record["block_indices"]
    ]

    assert len(found) == 40
    assert found == [each["blocks"] for each in record["block_indices"]]


@pytest.mark.parametrize("name", ["p14", "p16"])
def test_the_published_patches_of_padding_are_reproduced(recorded: Path, name: str) -> None:
    record = json.loads((recorded / name / "forward.json").read_text(encoding="utf-8"))
    grid = PatchGrid(rows=14, columns=14, patch=(16, 16))
    padding = [
        np.flatnonzero(~content_mask(place((width, height), (224, 224), "pad"), grid)).tolist()
        for width, height in record["image_sizes"]
    ]

    assert padding == record["pad_indices_grid14"]
    assert [len(each) for each in padding] == [28, 28, 0]


def test_the_module_needs_neither_torch_nor_an_image_library() -> None:
    code = "import sys, remgcl.core.data.geometry; print(*sorted({'torch', 'PIL', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter

    assert done.stdout.strip() == ""
