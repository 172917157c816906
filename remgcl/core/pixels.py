"""From an image to the pixels a tower sees.

Pixels stay unsigned bytes until the model normalises them, so that a batch is
small on its way to the accelerator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from remgcl.core.geometry import Placement, crop_size, place
from remgcl.core.parts import Aspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image


def prepare(
    image: Image, size: tuple[int, int], aspect: Aspect, mean: Sequence[float]
) -> tuple[npt.NDArray[np.uint8], Placement]:
    """Fit an image to a tower's input, and record how.

    Resampling is Pillow's bicubic, bit for bit what CLIP's image processor does.

    Args:
        image: The original, of any mode.
        size: Height and width of the tower's input.
        aspect: Whether to pad, crop or stretch.
        mean: Mean colour of the tower's normalisation, from 0 to 1; padding has
            this colour, rounded down.

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
    if image.size != target:
        image = image.resize(target, PIL.Image.Resampling.BICUBIC)
    if aspect == "crop":
        left, top = (image.width - columns) // 2, (image.height - rows) // 2
        image = image.crop((left, top, left + columns, top + rows))
    return np.asarray(image).transpose(2, 0, 1).copy(), placement
