"""Where a pixel of the original image lies on the patch grid of a tower.

An image reaches a tower through one of three aspects:

* ``pad``: padded to a square with the mean colour, then resized (LLaVA-1.5,
  `llava/mm_utils.py` `expand2square`);
* ``crop``: resized so that the shorter edge fits, then cropped at the centre
  (CLIP's image processor);
* ``stretch``: resized to the tower's input size whatever its shape (SigLIP's).

`place` records what is done as a `Placement`, which maps points. Boxes become
patch weights from the placement and the tower's grid alone. This module knows
numbers only: no image, no tower, no torch.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import frozen

from remgcl.core.parts import Aspect, PatchGrid

Floats: TypeAlias = npt.NDArray[np.float64]

COVERED = 0.05
"""Share of a patch's area that a box must cover to own it (REMGCL, refined local)."""


@frozen(kw_only=True)
class Placement:
    """How an original image was laid on a tower's input.

    A point (x, y) of the original lies at ``scale * (x, y) + offset``.

    Attributes:
        scale: Input pixels per original pixel, (x, y).
        offset: Place of the original's corner on the input, (x, y), negative
            where the image was cropped.
        original: Width and height of the original image.
    """

    scale: tuple[float, float]
    offset: tuple[float, float]
    original: tuple[int, int]

    def apply(self, points: npt.ArrayLike) -> Floats:
        """Map points of the original to the input.

        Args:
            points: Pixels (x, y) of the original `[..., 2]`.

        Returns:
            Pixels (x, y) of the tower's input `[..., 2]`.
        """
        return np.asarray(points, dtype=np.float64) * self.scale + self.offset


def place(original: tuple[int, int], size: tuple[int, int], aspect: Aspect) -> Placement:
    """Say where an image will lie on the input of a tower.

    Args:
        original: Width and height of the image in pixels.
        size: Height and width of the tower's input in pixels.
        aspect: How the image is made to fit.
    """
    (width, height), (rows, columns) = original, size
    if aspect == "pad":
        square = max(original)
        scale = (columns / square, rows / square)
        margin = ((square - width) // 2, (square - height) // 2)
        offset = (margin[0] * scale[0], margin[1] * scale[1])
    elif aspect == "crop":
        resized = crop_size(original, size)
        scale = (resized[0] / width, resized[1] / height)
        offset = (-((resized[0] - columns) // 2), -((resized[1] - rows) // 2))
    else:
        scale = (columns / width, rows / height)
        offset = (0.0, 0.0)
    return Placement(scale=scale, offset=offset, original=original)


def crop_size(original: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height of an image resized for a central crop.

    The longer edge is rounded down, as in transformers' `CLIPImageProcessor`.

    Args:
        original: Width and height of the image in pixels.
        size: Height and width of the crop; the longer of the two is filled.
    """
    edge, (width, height) = max(size), original
    if width <= height:
        return edge, int(edge * height / width)
    return int(edge * width / height), edge


def patch_weights(quads: npt.ArrayLike, placement: Placement, grid: PatchGrid) -> Floats:
    """Share out each box among the patches it covers.

    A box is the axis-aligned hull of its quadrilateral, clipped to the image.
    A patch belongs to it if the box covers at least `COVERED` of the patch's
    area; the patches of a box weigh the same and sum to 1.

    Args:
        quads: Corners (x, y) in pixels of the original image `[R, 4, 2]`.
        placement: How the image lies on the tower's input.
        grid: The tower's patches.

    Returns:
        Weights `[R, P]`; a row of zeros where a box owns no patch.
    """
    corners = np.asarray(quads, dtype=np.float64).reshape(-1, 4, 2)
    corners = placement.apply(np.clip(corners, 0, placement.original))
    low, high = corners.min(axis=1), corners.max(axis=1)  # [R, 2], (x, y)
    across = _covered(low[:, 0], high[:, 0], grid.columns, grid.patch[1])
    down = _covered(low[:, 1], high[:, 1], grid.rows, grid.patch[0])
    area = down[:, :, None] * across[:, None, :]  # [R, rows, columns]
    enough = area >= COVERED - 1e-9  # a product of shares may fall short of it by a rounding
    owned = enough.reshape(len(corners), grid.patches).astype(np.float64)
    weights: Floats = owned / np.maximum(owned.sum(axis=1, keepdims=True), 1)
    return weights


def content_mask(placement: Placement, grid: PatchGrid) -> npt.NDArray[np.bool_]:
    """Mark the patches that show some of the image, not only padding.

    Args:
        placement: How the image lies on the tower's input.
        grid: The tower's patches.

    Returns:
        True where a patch shows any of the image `[P]`.
    """
    low, high = placement.apply([(0, 0), placement.original])
    across = _covered(low[:1], high[:1], grid.columns, grid.patch[1])[0]
    down = _covered(low[1:], high[1:], grid.rows, grid.patch[0])[0]
    shown: npt.NDArray[np.bool_] = (down[:, None] * across[None, :] > 0).reshape(-1)
    return shown


def _covered(low: Floats, high: Floats, count: int, length: float) -> Floats:
    """Return the share of each of `count` cells that lies between low and high `[R, count]`."""
    start = np.arange(count) * length
    overlap = np.minimum(high[:, None], start + length) - np.maximum(low[:, None], start)
    share: Floats = np.clip(overlap, 0, None) / length
    return share
