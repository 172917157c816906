"""Images as endpoints take them."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

QUALITY = 95
"""Quality of JPEG images, of 100."""


def data_url(image: Image, kind: Literal["png", "jpeg"] = "png") -> str:
    """Write an image as a data URL.

    Args:
        image: The image, in RGB.
        kind: Its format; PNG loses nothing.
    """
    held = BytesIO()
    image.save(held, kind, **({"quality": QUALITY} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{b64encode(held.getvalue()).decode()}"
