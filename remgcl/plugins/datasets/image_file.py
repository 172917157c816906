"""Image files of a folder: nothing outside of it, nothing too large."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from remgcl import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 13377**2
"""Largest image, padded to a square, in pixels; of a larger square, Pillow takes the header for a bomb."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Formats of Pillow that are opened; others have no place in a dataset."""


@frozen(kw_only=True)
class ImageFolder:
    """Opens images by their names in a folder.

    Attributes:
        path: The folder.
        follow_links: Whether an image may be a link that leaves the folder.
        max_pixels: Largest image, padded to a square, in pixels: what memory is
            needed for depends on the longer edge alone.
    """

    path: Path
    follow_links: bool = False
    max_pixels: int = LARGEST

    def open(self, name: str) -> Image:
        """Open an image without decoding it.

        Args:
            name: Its path, relative to the folder.

        Raises:
            DataError: It is not there, leaves the folder, is too large or is no image.
        """
        import PIL.Image

        path = self._inside(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's own bound is judged below, on the padded size
                image = PIL.Image.open(path, formats=FORMATS)
        except FileNotFoundError:
            raise DataError(f"image {name!r}: there is no such file in {str(self.path)!r}") from None
        except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
            raise DataError(f"image {name!r}: cannot be read; {_reason(error)}") from None
        if max(image.size) ** 2 > self.max_pixels:
            width, height = image.size
            image.close()
            raise DataError(
                f"image {name!r}: {width} x {height} is too large; a square may have {self.max_pixels} pixels"
            )
        return image

    def load(self, name: str) -> Image:
        """Open and decode an image.

        Args:
            name: Its path, relative to the folder.

        Raises:
            DataError: As `open`, or the file is broken.
        """
        with self.open(name) as image:
            try:
                return image.convert("RGB")
            except (OSError, ValueError, SyntaxError) as error:
                raise DataError(f"image {name!r}: is broken; {_reason(error)}") from None

    def _inside(self, name: str) -> Path:
        """Join a name to the folder, or raise if it would leave it."""
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"image {name!r}: leaves the folder {str(self.path)!r}")
        path = self.path / name
        try:
            inside = path.resolve().is_relative_to(self.path.resolve())
        except (OSError, ValueError, RuntimeError) as error:  # a name that no file can have, links in a circle
            raise DataError(f"image {name!r}: cannot be read; {_reason(error)}") from None
        if not inside and not self.follow_links:
            raise DataError(
                f"image {name!r}: is a link that leaves the folder {str(self.path)!r}; follow_links = true allows it"
            )
        return path


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).partition(" '")[0].partition(" <")[0] or type(error).__name__
