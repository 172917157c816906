"""From an image to the pixels a tower sees.

Pixels stay unsigned bytes until the model normalises them, so that a batch is
small on its way to the accelerator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from remgcl.core.data.geometry import Placement, crop_size, place
from remgcl.core.files.decoding import to_rgb
from remgcl.core.parts import Aspect, Interpolation, Resampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

FAST_BOUND = 2
"""Most grey levels by which fast resampling may differ from the exact one.

Both resize across and then down, and round to bytes each time. Where the first
rounding differs by 1, the second pass multiplies that by at most the sum of the
kernel's absolute weights, which is below 1.5, and rounds again.
"""

LONG = 32
"""An image so many times as long as it is wide is resized only where a crop shows it; else memory has no bound."""


def prepare(  # noqa: PLR0913, PLR0917 - an image, what the tower wants, and how to get there
    image: Image,
    size: tuple[int, int],
    aspect: Aspect,
    mean: Sequence[float],
    resampling: Resampling = "exact",
    interpolation: Interpolation = "bicubic",
) -> tuple[npt.NDArray[np.uint8], Placement]:
    """Fit an image to a tower's input, and record how.

    Exact resampling is Pillow's, bit for bit what CLIP's image processor does.
    The fast one, bicubic or bilinear, is torch's, on bytes too; no pixel differs
    from the exact one by more than `FAST_BOUND`. It is used where an image is
    not taller than wide and loses at least as much of its width as of its
    height: padded to a square, or cropped from a landscape. Others are resized
    exactly, as Pillow may begin with their height, which clips other pixels.

    Args:
        image: The original, of any mode; transparent pixels get the mean colour.
        size: Height and width of the tower's input.
        aspect: Whether to pad, crop or stretch.
        mean: Mean colour of the tower's normalisation, from 0 to 1; padding has
            this colour, rounded down.
        resampling: Whether the image is resized exactly or fast.
        interpolation: How the pixels of the resized image are made.

    Returns:
        Pixels, uint8 `[3, H, W]`, and the placement of the original on them.
    """
    import PIL.Image

    colour = tuple(min(max(int(255 * part), 0), 255) for part in mean)
    image = to_rgb(image, colour)
    placement = place(image.size, size, aspect)
    rows, columns = size
    if aspect == "pad":
        square = max(image.size)
        canvas = PIL.Image.new("RGB", (square, square), colour)
        canvas.paste(image, ((square - image.width) // 2, (square - image.height) // 2))
        image = canvas
    method = PIL.Image.Resampling[interpolation.upper()]
    target = crop_size(image.size, size) if aspect == "crop" else (columns, rows)
    left, top = (target[0] - columns) // 2, (target[1] - rows) // 2
    if aspect == "crop" and max(image.size) > LONG * min(image.size):
        pixels = np.asarray(image.resize((columns, rows), method, box=_shown(placement, size)))
        return pixels.transpose(2, 0, 1).copy(), placement
    if image.size == target:
        pixels = np.asarray(image)
    elif resampling == "fast" and interpolation in _FAST and _loses_width(image.size, target):
        pixels = _resize(np.array(image), target, interpolation)
    else:
        pixels = np.asarray(image.resize(target, method))
    if aspect == "crop":
        pixels = pixels[top : top + rows, left : left + columns]
    return pixels.transpose(2, 0, 1).copy(), placement


_FAST = ("bicubic", "bilinear")


def _shown(placement: Placement, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Find the part of the original that lies on the tower's input: left, top, right, bottom."""
    (across, down), (left, top) = placement.scale, placement.offset
    width, height = placement.original
    right, bottom = (size[1] - left) / across, (size[0] - top) / down
    return -left / across, -top / down, min(right, width), min(bottom, height)


def _loses_width(original: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether a landscape loses at least as much of its width as of its height."""
    width, height = original
    return height <= width and target[0] * height <= width * target[1]


def _resize(
    pixels: npt.NDArray[np.uint8], target: tuple[int, int], interpolation: Interpolation
) -> npt.NDArray[np.uint8]:
    """Resize `[h, w, 3]` to a width and height, with whole numbers in place of fractions."""
    import torch

    channels_first = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(channels_first, target[::-1], mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
