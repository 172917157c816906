"""Letters that are drawn: Pillow's own font, in any height."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from remgcl import DataError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont


@cache
def typeface(height: int) -> FreeTypeFont:
    """Load the font.

    Args:
        height: Its height in pixels.

    Raises:
        DataError: Pillow cannot draw it.
    """
    from PIL import ImageFont
    from PIL.ImageFont import FreeTypeFont

    loaded = ImageFont.load_default(height)
    if not isinstance(loaded, FreeTypeFont):
        raise DataError("drawn datasets: Pillow was built without FreeType; install its wheel")
    return loaded


def measured(text: str, height: int) -> tuple[int, int]:
    """Measure a text: width and height in pixels.

    Args:
        text: The text.
        height: Height of the font in pixels.
    """
    _, _, right, bottom = typeface(height).getbbox(text, anchor="lt")
    return round(right), round(bottom)
