"""Image files of a folder: nothing outside of it, nothing too large; and the digest of what an image shows."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from attrs import frozen

from remgcl.core.errors import DataError
from remgcl.core.files.decoding import Decoding, display
from remgcl.core.files.regular import read_regular, verify_regular

if TYPE_CHECKING:
    from PIL.Image import Image

    from remgcl.core.files.verified import Verdict

LARGEST_IMAGE = 13377**2
"""Largest image, padded to a square, in pixels; of a larger square, Pillow takes the header for a bomb."""

LARGEST_FILE = 2**30
"""Most bytes of an image's file."""

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
        decoding: Whether images are decoded as they are displayed (upright by
            their EXIF orientation, deep ones scaled, transparent ones on
            white) or as the published code does: none of these.
    """

    path: Path
    follow_links: bool = False
    max_pixels: int = LARGEST_IMAGE
    decoding: Decoding = "display"

    def open(self, name: str) -> Image:
        """Open an image without decoding it.

        Args:
            name: Its path, relative to the folder.

        Raises:
            DataError: It is not there, leaves the folder, is too large or is no image.
        """
        path = self.locate(name)
        try:
            verify_regular(path)
        except (OSError, ValueError) as error:
            raise self._unread(name, error) from None
        return self._opened(name, path)

    def verify(self, names: Iterable[str]) -> Verdict:
        """Find what is wrong with many images, by all cores, and open none again whose file has not changed.

        Args:
            names: Their paths, relative to the folder.
        """
        from remgcl.core.files.verified import verify_images

        return verify_images(self, names)

    def load(self, name: str) -> tuple[Image, str]:
        """Read and decode an image.

        Args:
            name: Its path, relative to the folder.

        Returns:
            The image in RGB, and the digest of what it shows: that of its file,
            or of the file and the way of decoding where that changes the image.

        Raises:
            DataError: As `open`, or the file is broken.
        """
        path = self.locate(name)
        try:
            raw = read_regular(path, LARGEST_FILE)
        except OSError as error:
            raise self._unread(name, error) from None
        image, special = self._decoded(name, raw)
        return image, digest(raw + b"as displayed" if special else raw)

    def decode(self, name: str, raw: bytes) -> Image:
        """Decode the bytes of an image file.

        Args:
            name: What errors call it.
            raw: The file's content.

        Returns:
            The image in RGB.

        Raises:
            DataError: It is too large, no image, or broken.
        """
        return self._decoded(name, raw)[0]

    def _decoded(self, name: str, raw: bytes) -> tuple[Image, bool]:
        """Decode an image; also return whether displaying it differs from Pillow's conversion."""
        with self._opened(name, BytesIO(raw)) as image:
            try:
                return (image.convert("RGB"), False) if self.decoding == "published" else display(image)
            except DataError as error:
                raise DataError(f"image {name!r}: {error}") from None
            except (OSError, ValueError, SyntaxError, struct.error) as error:
                raise DataError(f"image {name!r}: is broken; {_reason(error)}") from None

    def _opened(self, name: str, file: Path | IO[bytes]) -> Image:
        import PIL.Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's own bound is judged below, on the padded size
                image = PIL.Image.open(file, formats=FORMATS)
        except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
            raise self._unread(name, error) from None
        if max(image.size) ** 2 > self.max_pixels:
            width, height = image.size
            image.close()
            raise DataError(
                f"image {name!r}: {width} x {height} is too large; a square may have {self.max_pixels} pixels"
            )
        return image

    def _unread(self, name: str, error: Exception) -> DataError:
        if isinstance(error, FileNotFoundError):
            return DataError(f"image {name!r}: there is no such file in {str(self.path)!r}")
        return DataError(f"image {name!r}: cannot be read; {_reason(error)}")

    def locate(self, name: str) -> Path:
        """Join a name to the folder.

        Args:
            name: A path, relative to the folder.

        Returns:
            Its path; whether it exists is not checked.

        Raises:
            DataError: It leaves the folder.
        """
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"image {name!r}: leaves the folder {str(self.path)!r}")
        path = self.path / name
        try:
            inside = path.resolve().is_relative_to(self.path.resolve())
        except (OSError, ValueError, RuntimeError) as error:  # a name that no file can have, links in a circle
            raise self._unread(name, error) from None
        if not inside and not self.follow_links:
            raise DataError(
                f"image {name!r}: is a link that leaves the folder {str(self.path)!r}; follow_links = true allows it"
            )
        return path


def digest(content: bytes) -> str:
    """Make a name of some content: BLAKE2b, 16 bytes, in hexadecimal.

    Args:
        content: What to name.
    """
    return blake2b(content, digest_size=16).hexdigest()


def pixel_digest(image: Image) -> str:
    """Make a name of an image that is in no file: the digest of its size and its pixels.

    Args:
        image: The image, in RGB.
    """
    return digest(repr(image.size).encode() + image.tobytes())


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).partition(" '")[0].partition(" <")[0] or type(error).__name__
