"""From an image to the pixels a tower sees.

Pixels stay unsigned bytes until the model normalises them, so that a batch is
small on its way to the accelerator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from remgcl.core.data.geometry import Placement, crop_size, place
from remgcl.core.parts import Aspect, Resampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

FAST_BOUND = 2
"""Most grey levels by which fast resampling may differ from the exact one.

Both resize across and then down, and round to bytes each time. Where the first
rounding differs by 1, the second pass multiplies that by at most the sum of the
kernel's absolute weights, which is below 1.5, and rounds again.
"""


def prepare(
    image: Image, size: tuple[int, int], aspect: Aspect, mean: Sequence[float], resampling: Resampling = "exact"
) -> tuple[npt.NDArray[np.uint8], Placement]:
    """Fit an image to a tower's input, and record how.

    Resampling is bicubic. The exact one is Pillow's, bit for bit what CLIP's
    image processor does. The fast one is torch's, on bytes too; no pixel differs
    from the exact one by more than `FAST_BOUND`. It is used where an image is
    not taller than wide and loses at least as much of its width as of its
    height: padded to a square, or cropped from a landscape. Others are resized
    exactly, as Pillow may begin with their height, which clips other pixels.

    Args:
        image: The original, of any mode.
        size: Height and width of the tower's input.
        aspect: Whether to pad, crop or stretch.
        mean: Mean colour of the tower's normalisation, from 0 to 1; padding has
            this colour, rounded down.
        resampling: Which bicubic resizes the image.

    Returns:
        Pixels, uint8 `[3, H, W]`, and the placement of the original on them.
    """
    import PIL.Image

    image = image.convert("RGB")
    placement = place(image.size, size, aspect)
    rows, columns = size
    if aspect == "pad":
        square = max(image.size)
        canvas = PIL.Image.new("RGB", (square, square), tuple(int(255 * part) for part in mean))
        canvas.paste(image, ((square - image.width) // 2, (square - image.height) // 2))
        image = canvas
    target = crop_size(image.size, size) if aspect == "crop" else (columns, rows)
    if image.size == target:
        pixels = np.asarray(image)
    elif resampling == "fast" and image.height <= image.width and target[0] * image.height <= image.width * target[1]:
        pixels = _resize(np.array(image), target)
    else:
        pixels = np.asarray(image.resize(target, PIL.Image.Resampling.BICUBIC))
    if aspect == "crop":
        left, top = (target[0] - columns) // 2, (target[1] - rows) // 2
        pixels = pixels[top : top + rows, left : left + columns]
    return pixels.transpose(2, 0, 1).copy(), placement


def _resize(pixels: npt.NDArray[np.uint8], target: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize `[h, w, 3]` to a width and height, with whole numbers in place of fractions."""
    import torch

    channels_first = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(channels_first, target[::-1], mode="bicubic", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
