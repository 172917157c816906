"""Images of a page: thumbnails inside it, or links to the files."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from attrs import frozen

from remgcl.core.errors import DataError
from remgcl.core.files.images import ImageFolder, digest
from remgcl.core.parts.benchmark import Picture
from remgcl.core.processes import cores

if TYPE_CHECKING:
    from PIL.Image import Image

Found: TypeAlias = Callable[[], None]
"""Is called whenever an image is done."""

QUALITY = 60
"""Quality of a thumbnail's WebP, from 0 to 100."""


@frozen
class Shown:
    """An image of a page.

    Attributes:
        url: What the page shows: the thumbnail itself as a data URL, or a link relative to the page.
        width: Width of the original in pixels, which regions refer to.
        height: Its height.
        content: Digest of the original, by which an OCR cache knows it.
    """

    url: str
    width: int
    height: int
    content: str


@frozen(kw_only=True)
class Frame:
    """How a page shows its images.

    Attributes:
        page: The file of the page.
        size: Longest edge of a thumbnail in pixels.
        link: Whether to link files instead of embedding thumbnails; an image that is in no file of its own is embedded.
    """

    page: Path
    size: int = 512
    link: bool = False

    def show(self, picture: Picture) -> Shown:
        """Show an image.

        Args:
            picture: The image.

        Raises:
            DataError: It is missing, or no image.
        """
        if picture.file is not None:
            image, content = ImageFolder(path=picture.file.parent, follow_links=True).load(picture.file.name)
        elif picture.content is not None:
            raw = picture.content()
            image, content = ImageFolder(path=Path()).decode(picture.name, raw), digest(raw)
        else:
            raise DataError(f"image {picture.name!r}: is in no file")
        url = self._link(picture.file) if self.link and picture.file is not None else self._embedded(image)
        return Shown(url, image.width, image.height, content)

    def _link(self, file: Path) -> str:
        return quote(Path(os.path.relpath(file.resolve(), self.page.resolve().parent)).as_posix())

    def _embedded(self, image: Image) -> str:
        small = image.copy()
        small.thumbnail((self.size, self.size))
        held = BytesIO()
        small.save(held, "WEBP", quality=QUALITY)
        return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode()


def show_all(
    pictures: Mapping[str, Picture], frame: Frame, found: Found | None = None
) -> tuple[dict[str, Shown], dict[str, str]]:
    """Show images, several at a time.

    Args:
        pictures: The images, by any name.
        frame: How they are shown.
        found: Is called whenever an image is done.

    Returns:
        The images by name, and why others cannot be shown.
    """
    shown, missing = {}, {}

    def one(picture: Picture) -> Shown | str:
        try:
            return frame.show(picture)
        except DataError as error:
            return str(error)
        finally:
            if found is not None:
                found()

    with ThreadPoolExecutor(len(cores())) as threads:
        results: Iterable[Shown | str] = threads.map(one, pictures.values())
        for name, result in zip(pictures, results, strict=True):
            if isinstance(result, str):
                missing[name] = result
            else:
                shown[name] = result
    return shown, missing
