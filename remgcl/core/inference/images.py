"""Images as people give them: a path, an opened image, bytes, or a data URL. No address is fetched here."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from remgcl.core.errors import RequestError
from remgcl.core.files.decoding import display
from remgcl.core.files.images import LARGEST_IMAGE, ImageFolder

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = Union[str, Path, bytes, "Image"]
"""A path, the bytes of an image file, a data URL, or an opened image."""

SHOWN = 60
"""How much of an address an error repeats."""


def open_image(source: ImageSource, max_pixels: int = LARGEST_IMAGE) -> Image:
    """Open and decode an image.

    Args:
        source: A path, the bytes of a file, a data URL, or an opened image.
        max_pixels: Largest image, padded to a square, in pixels.

    Returns:
        The image in RGB.

    Raises:
        DataError: It is not there, too large, or no image.
        RequestError: It is an address, or a data URL that cannot be decoded.
    """
    import PIL.Image

    if isinstance(source, PIL.Image.Image):
        return display(source)[0]
    if isinstance(source, bytes):
        return ImageFolder(path=Path(), max_pixels=max_pixels).decode("given", source)
    if isinstance(source, str) and source.startswith("data:"):
        return ImageFolder(path=Path(), max_pixels=max_pixels).decode("data URL", from_data_url(source))
    if isinstance(source, str) and "://" in source[:SHOWN]:
        shown = source[:SHOWN]
        raise RequestError(
            f"image {shown!r}: is an address, and none is fetched here; give a file, bytes or a data URL"
        )
    path = Path(source)
    folder = ImageFolder(path=path.parent, follow_links=True, max_pixels=max_pixels)
    return folder.load(path.name)[0]


def from_data_url(url: str) -> bytes:
    """Decode a data URL.

    Args:
        url: ``data:image/png;base64,...``.

    Raises:
        RequestError: It is not such a URL, or not in base64.
    """
    head, comma, body = url.partition(",")
    shown = url[:SHOWN]
    if not comma or not head.endswith(";base64"):
        raise RequestError(f"image {shown!r}: is no data URL in base64, such as 'data:image/png;base64,...'")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"image {shown!r}: is not in base64; {error}") from None
