"""The images of an elicitation file as evidence: each different one once, with its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.ledger import Ledger
from remgcl.core.errors import DataError
from remgcl.core.ocr.cache import OcrCache, content_of
from remgcl.core.ocr.sources import DataSource, FileSource, Source, files_of
from remgcl.core.parts import Evidence, Samples
from remgcl.core.samples import Region, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = "images"
"""The folder, in that of the data, for images that are in no file."""


@frozen
class Picture:
    """An image, as far as it is known without its text.

    Attributes:
        name: Its path, relative to the folder of the images.
        digest: Names its content.
        size: Width and height in pixels.
        regions: Its lines of text, where its dataset knows them.
        load: Reads it.
    """

    name: str
    digest: str
    size: tuple[int, int]
    regions: tuple[Region, ...]
    load: Callable[[], Image]


@define
class Seen:
    """What was found on the way.

    Attributes:
        images: Images there are, however often each occurs.
        repeated: How many of these are the same as an earlier one.
        unreadable: Those that cannot be read, with the reason.
        unknown: Images that the OCR cache does not hold.
    """

    images: int = 0
    repeated: int = 0
    unreadable: list[str] = field(factory=list)
    unknown: int = 0


def source_of(file: ElicitFile) -> Source:
    """Return the images of a file, for the OCR engine.

    Args:
        file: The file.

    Raises:
        DataError: There are none.
    """
    if file.data is not None:
        return DataSource("data", file.data)
    (source,) = files_of(Path(file.images or ""))
    return source


def folder_of(file: ElicitFile, out: Path) -> Path:
    """Name the folder that the images of the data are relative to.

    Args:
        file: The file.
        out: The folder of the data.
    """
    return out / PICTURES if file.images is None else _folder(Path(file.images))


def pictures(file: ElicitFile, ledger: Ledger | None, seen: Seen, limit: int | None) -> Iterator[Picture]:
    """Return each different image once, in the order of the source.

    Args:
        file: The file.
        ledger: Remembers digests; without it, each image is read.
        seen: What is found on the way.
        limit: Most images.
    """
    return islice(_different(_every(file, ledger, seen), seen), limit)


def evidence(picture: Picture, cache: OcrCache | None, seen: Seen) -> Evidence:
    """Add the text to an image: that of its dataset, or that of the OCR cache.

    Args:
        picture: The image.
        cache: The OCR cache, if there is one.
        seen: Counts images that it does not hold.
    """
    regions = picture.regions
    if not regions and cache is not None:
        known = cache.regions(picture.digest)
        seen.unknown += known is None
        regions = known or ()
    return Evidence(name=picture.name, digest=picture.digest, size=picture.size, regions=regions, load=picture.load)


def _different(every: Iterator[Picture], seen: Seen) -> Iterator[Picture]:
    known: set[str] = set()
    for picture in every:
        if picture.digest in known:
            seen.repeated += 1
            continue
        known.add(picture.digest)
        yield picture


def _every(file: ElicitFile, ledger: Ledger | None, seen: Seen) -> Iterator[Picture]:
    source = source_of(file)
    samples = source.build()
    for index in range(len(samples)):
        try:
            picture = _file(source, index, ledger) if isinstance(source, FileSource) else _sample(samples, index)
        except DataError as error:
            seen.images += 1
            seen.unreadable.append(str(error))
            continue
        if picture is not None:
            seen.images += 1
            yield picture


def _file(source: FileSource, index: int, ledger: Ledger | None) -> Picture:
    """Read an image file, unless it is known already."""
    name = source.names[index]
    try:
        stat = source.folder.locate(name).stat()
    except OSError as error:
        raise DataError(f"image {name!r}: cannot be read; {(error.strerror or str(error)).lower()}") from None
    stamp = f"{stat.st_size} {stat.st_mtime_ns}"
    known = ledger.image(name, stamp) if ledger else None
    if known is None:
        image, content = source.folder.load(name)
        known = content, image.size
        if ledger:
            ledger.keep_image(name, stamp, *known)
    return Picture(name, *known, (), lambda: source.folder.load(name)[0])


def _sample(samples: Samples | Sequence[Sample], index: int) -> Picture | None:
    """Take the image of a sample; nothing if it has none, or another stands in for it."""
    sample: Sample = samples[index]
    if sample.image is None or sample.stands_in_for:
        return None
    content = content_of(sample)

    def load() -> Image:
        image = samples[index].image
        assert image is not None  # noqa: S101 - it was there
        return image

    return Picture(f"{content}.png", content, sample.image.size, sample.regions, load)


def _folder(path: Path) -> Path:
    return path.parent if path.is_file() else path
