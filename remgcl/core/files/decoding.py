"""A decoded image as people see it: upright, in 8-bit RGB, opaque.

Pillow's own conversion to RGB clips 16-bit and float pictures to black and
white, shows the black that often lies under transparent pixels, and ignores
the orientation that a camera or scanner noted in EXIF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from remgcl.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

Decoding: TypeAlias = Literal["display", "published"]
"""As an image is displayed, or as LLaVA's code has it: `Image.convert("RGB")` and nothing else."""

WHITE = (255, 255, 255)

BYTE, WORD = 255, 65535
"""The white of 8-bit and of 16-bit pictures; that of a float picture is 1, or one of these."""

ORIENTATION = 0x0112
"""EXIF's tag of how to turn an image upright; 1 is upright."""

PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""TIFF's tag of what its values mean, and that scans of paper may count up to black: Pillow inverts 8-bit ones only."""


def display(image: Image) -> tuple[Image, bool]:
    """Decode an image as viewers display it.

    Args:
        image: As Pillow opened it.

    Returns:
        The image in RGB, upright, and whether it differs in kind from Pillow's
        conversion to RGB: turned, scaled or made opaque.

    Raises:
        DataError: The range of its values is unknown.
        OSError: It is broken, as are other errors of Pillow.
    """
    from PIL import ImageOps

    image.load()
    turned = image.getexif().get(ORIENTATION, 1) in range(2, 9)
    special = turned or image.has_transparency_data or _deep(image)
    inverted = _deep(image) and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
    shown = to_rgb(ImageOps.exif_transpose(image) if turned else image)
    return ImageOps.invert(shown) if inverted else shown, special


def to_rgb(image: Image, background: Sequence[int] = WHITE) -> Image:
    """Convert an image of any mode to RGB: deep ones are scaled, transparent ones laid on a colour.

    Args:
        image: A loaded image; it is not turned.
        background: The colour under transparent pixels, from 0 to 255.

    Raises:
        DataError: The range of its values is unknown.
    """
    import PIL.Image

    if _deep(image):
        return _scaled(image, background).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":  # Pillow converts it to LA only
        image = image.convert("LA")
    canvas = PIL.Image.new("RGBA", image.size, (*background[:3], BYTE))
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def _deep(image: Image) -> bool:
    """Whether each value takes more than a byte."""
    return image.mode in {"I", "F"} or image.mode.startswith("I;16")


def _scaled(image: Image, background: Sequence[int]) -> Image:
    """Scale a grey image from the range that its mode and values show to 8 bits."""
    import PIL.Image

    values = np.asarray(image)
    grey = np.rint(values.astype(np.float64) * (BYTE / _white(image.mode, values))).astype(np.uint8)
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return PIL.Image.fromarray(grey)
    coloured = np.where((values == key)[..., None], np.array(background[:3]), grey[..., None])
    return PIL.Image.fromarray(coloured.astype(np.uint8))


def _white(mode: str, values: np.typing.NDArray[np.generic]) -> int:
    """Find the value that stands for white."""
    if mode.startswith("I;16"):
        return WORD
    low, high = (float(end(values.astype(np.float64))) for end in (np.min, np.max))
    if low >= 0 and high <= WORD:  # NaN is neither
        if mode == "F" and high <= 1:
            return 1
        if mode == "I" or high >= 2:  # noqa: PLR2004 - just above 1 may be either range
            return BYTE if high <= BYTE else WORD
    ranges = f"0 to {BYTE} or 0 to {WORD}" if mode == "I" else f"0 to 1, 0 to {BYTE} or 0 to {WORD}"
    raise DataError(f"its values run from {low:g} to {high:g}, which is no range of grey levels; there is {ranges}")
