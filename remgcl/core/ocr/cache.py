"""Text regions of images, kept in a folder by the digests of the images.

A cache holds::

    about.json      the format, and the engine with its version and settings
    DIGEST.arrow    rows of images; the name is the digest of the file itself

A file is written whole and never changed, so whatever interrupts the writing
loses no more than what was not written yet. Files are mapped into memory, so
that all loader workers share them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, evolve, field, frozen

from remgcl.core.errors import RunError
from remgcl.core.files.images import digest, pixel_digest
from remgcl.core.files.regular import verify_regular
from remgcl.core.files.whole import as_json, read
from remgcl.core.samples import Region, Sample

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from remgcl.core.parts import Samples

FORMAT = 1
"""The format of a row; a cache of another format is refused."""

CORNERS = 4


@frozen(kw_only=True)
class Origin:
    """What a cache was made by.

    Attributes:
        engine: The name of the OCR engine.
        version: Its version, and that of its models.
        settings: Its settings.
    """

    engine: str
    version: str
    settings: Mapping[str, Any] = field(factory=dict)

    def __str__(self) -> str:
        """Return engine, version and settings as text."""
        settings = ", ".join(f"{key} = {value!r}" for key, value in sorted(self.settings.items()))
        return f"{self.engine} ({self.version}) with {settings or 'no settings'}"


def schema() -> pa.Schema:
    """Declare the columns of a cache."""
    import pyarrow as pa

    quad = pa.list_(pa.float32(), 2 * CORNERS)
    region = pa.struct([("text", pa.string()), ("quad", quad), ("confidence", pa.float32())])
    return pa.schema(
        [
            ("content", pa.binary(16)),
            ("name", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("regions", pa.list_(region)),
            ("error", pa.string()),
        ]
    )


@define(slots=False, eq=False)
class OcrCache:
    """A cache that is read.

    It can be sent to another process, which maps the files again.

    Attributes:
        path: The folder.
        origin: What it was made by.
    """

    path: Path
    origin: Origin

    @classmethod
    def open(cls, path: Path) -> OcrCache:
        """Open a cache, and make sure that its files are whole.

        Args:
            path: The folder.

        Raises:
            RunError: It is no cache, or one of its files is broken.
        """
        cache = cls(path, _origin(path))
        for shard in cache.shards:
            _verify(shard)
        return cache

    @cached_property
    def shards(self) -> tuple[Path, ...]:
        """The files of rows."""
        return tuple(sorted(self.path.glob("*.arrow")))

    @property
    def digest(self) -> str:
        """Changes when the cache is made by something else, or holds other images."""
        return digest(as_json(asdict(self.origin)) + self._index[0].tobytes())

    def __len__(self) -> int:
        """Count the images."""
        return len(self._index[0])

    def __contains__(self, content: str) -> bool:
        """Return whether an image is in the cache.

        Args:
            content: The digest of the image.
        """
        return self._place(content) is not None

    def regions(self, content: str) -> tuple[Region, ...] | None:
        """Look up the text regions of an image.

        Args:
            content: The digest of the image.

        Returns:
            Its regions, or None if the cache does not know the image. An image
            that the engine could not read has none.
        """
        place = self._place(content)
        if place is None:
            return None
        return tuple(_region(row) for row in self._table.column("regions")[place].as_py())

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what is mapped."""
        return {name: value for name, value in vars(self).items() if name in {"path", "origin", "shards"}}

    @cached_property
    def _table(self) -> pa.Table:
        """All rows, mapped into memory."""
        import pyarrow as pa

        if not self.shards:
            return pa.Table.from_batches([], schema())  # an empty_table() would import pandas
        return pa.concat_tables([_mapped(shard) for shard in self.shards])

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int64]]:
        """The digests, sorted and each once, and the row of each."""
        import numpy as np

        chunks = self._table.column("content").chunks
        raw = b"".join(
            chunk.buffers()[1][chunk.offset * 16 : (chunk.offset + len(chunk)) * 16] for chunk in chunks if len(chunk)
        )
        contents, rows = np.unique(np.frombuffer(raw, dtype="S16"), return_index=True)
        return contents, rows

    def _place(self, content: str) -> int | None:
        """Find the row of an image."""
        import numpy as np

        contents, rows = self._index
        wanted = np.array(bytes.fromhex(content), dtype="S16")
        place = int(np.searchsorted(contents, wanted))
        return int(rows[place]) if place < len(contents) and contents[place] == wanted else None


@frozen
class WithRegions:
    """Samples whose images get the regions of a cache, where their records carry none.

    Attributes:
        samples: The samples.
        cache: The regions.
    """

    samples: Samples
    cache: OcrCache

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample, and look up its regions if it has none.

        Args:
            index: From 0 to the length.

        Raises:
            DataError: The record or its image cannot be read.
        """
        sample = self.samples[index]
        if sample.image is None or sample.regions:
            return sample
        return evolve(sample, regions=self.cache.regions(content_of(sample)) or ())

    def modality_lengths(self) -> Sequence[int]:
        """Return each sample's length in words, negative if it has no image."""
        return self.samples.modality_lengths()


def with_regions(samples: Samples, cache: str | None) -> Samples:
    """Add the regions of an OCR cache to samples.

    Args:
        samples: The samples.
        cache: The cache's folder; without it, the samples stay as they are.

    Raises:
        RunError: The cache cannot be read.
    """
    return samples if cache is None else WithRegions(samples, OcrCache.open(Path(cache)))


def content_of(sample: Sample) -> str:
    """Return the digest of a sample's image.

    Args:
        sample: A sample with an image.
    """
    assert sample.image is not None  # noqa: S101 - the caller looked
    return sample.content or pixel_digest(sample.image)


def _origin(path: Path) -> Origin:
    """Read what made a cache."""
    about = read(path / "about.json")
    if about is None:
        raise RunError(f"{path}: is no OCR cache; there is no about.json, which remgcl ocr writes")
    if about.get("format") != FORMAT:
        raise RunError(f"{path / 'about.json'}: format: must be {FORMAT}; it is {about.get('format')!r}")
    try:
        return Origin(engine=about["engine"], version=about["version"], settings=about["settings"])
    except KeyError as error:
        raise RunError(f"{path / 'about.json'}: {error.args[0]}: is missing") from None


def _verify(shard: Path) -> None:
    """Compare a file with the digest that is its name."""
    try:
        verify_regular(shard)
        with shard.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise RunError(f"{shard}: cannot be read; {(error.strerror or str(error)).lower()}") from None
    if found != shard.stem:
        raise RunError(
            f"{shard}: is broken or cut off; delete it and run remgcl ocr again, which recognises its images again"
        )


def _mapped(shard: Path) -> pa.Table:
    import pyarrow as pa

    try:
        with pa.memory_map(str(shard)) as file:
            return pa.ipc.open_file(file).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{shard}: cannot be read; {error}") from None


def _region(row: Mapping[str, Any]) -> Region:
    quad: Iterator[float] = iter(row["quad"])
    first, second, third, fourth = zip(quad, quad, strict=True)
    return Region(row["text"], (first, second, third, fourth), row["confidence"])
