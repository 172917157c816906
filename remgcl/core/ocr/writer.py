"""Text regions written to a cache, a file of many images at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from remgcl.core.data.surrogates import without_half_pairs
from remgcl.core.errors import RunError
from remgcl.core.files.images import digest
from remgcl.core.files.whole import as_json, locked, write, writing
from remgcl.core.ocr.cache import FORMAT, OcrCache, Origin, schema
from remgcl.core.samples import Region

if TYPE_CHECKING:
    import pyarrow as pa


@frozen(kw_only=True)
class Row:
    """What a cache holds of an image.

    Attributes:
        content: The digest of the image, in hexadecimal.
        name: What the image is called in messages.
        size: Width and height in pixels.
        regions: Its lines of text.
        error: Why the engine could not read it, or nothing.
    """

    content: str
    name: str
    size: tuple[int, int]
    regions: Sequence[Region] = ()
    error: str | None = None


def packed(row: Row) -> pa.RecordBatch:
    """Write a row as Arrow.

    Args:
        row: The row of an image.

    Raises:
        ValueError: Arrow cannot hold a text or a number.
    """
    import pyarrow as pa

    regions = [
        {
            "text": without_half_pairs(region.text),
            "quad": [part for corner in region.quad for part in corner],
            "confidence": region.confidence,
        }
        for region in row.regions
    ]
    width, height = row.size
    values = (bytes.fromhex(row.content), _printable(row.name), width, height, regions, row.error)
    columns = schema()
    return pa.RecordBatch.from_pylist([dict(zip(columns.names, values, strict=True))], schema=columns)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Make a cache's folder, and keep other processes from recognising the same images for it.

    Args:
        path: The folder.

    Raises:
        RunError: Another process writes there, or it cannot be written.
    """
    with ExitStack() as stack:
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(locked(path / "lock"))
        if not held:
            raise RunError(f"{path}: another process writes this cache; wait for its end, or name another folder")
        yield


class OcrWriter:
    """A cache that rows are added to."""

    def __init__(self, path: Path, origin: Origin) -> None:
        """Create a cache, or continue one.

        Args:
            path: The folder; made if it is not there.
            origin: What makes the rows.

        Raises:
            RunError: The folder holds a cache of something else, or one that is
                broken, or cannot be written.
        """
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            if not (path / "about.json").exists() and not any(path.glob("*.arrow")):
                write(path / "about.json", as_json({"format": FORMAT, **asdict(origin)}))
        self.known = OcrCache.open(path)
        if self.known.origin != origin:
            raise RunError(
                f"{path}: is a cache made by {self.known.origin}; it is now {origin}; name another folder with --out"
            )
        self._rows: list[pa.RecordBatch] = []

    def add(self, row: pa.RecordBatch) -> None:
        """Keep a row until `flush`.

        Args:
            row: What `packed` made.
        """
        self._rows.append(row)

    def __len__(self) -> int:
        """Count the rows that are not written yet."""
        return len(self._rows)

    def flush(self) -> None:
        """Write the added rows to a new file.

        Raises:
            RunError: It cannot be written.
        """
        import pyarrow as pa

        if not self._rows:
            return
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema()) as file:
            file.write_table(pa.Table.from_batches(self._rows).combine_chunks())
        content = sink.getvalue().to_pybytes()
        with writing(self.known.path):
            write(self.known.path / f"{digest(content)}.arrow", content)
        self._rows = []


def _printable(name: str) -> str:
    """Make a text of a name that may hold bytes of no text."""
    return without_half_pairs(name)
