"""Text regions written to a cache, a file of many images at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import asdict, frozen

from remgcl.core.data.surrogates import without_half_pairs
from remgcl.core.errors import RunError
from remgcl.core.files.images import digest
from remgcl.core.files.whole import as_json, locked, write, writing
from remgcl.core.ocr.cache import CORNERS, FORMAT, OcrCache, Origin, schema
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


def packed(*rows: Row) -> pa.RecordBatch:
    """Write rows as Arrow.

    Args:
        rows: The rows of some images.

    Raises:
        ValueError: A region has not four corners.
        TypeError: A number is none.
    """
    import pyarrow as pa

    columns = schema()
    regions = [region for row in rows for region in row.regions]
    corners = [part for region in regions for corner in region.quad for part in corner]
    if len(corners) != 2 * CORNERS * len(regions):
        raise ValueError(f"a region without {CORNERS} corners (x, y)")
    listed = columns.field("regions").type
    kind = listed.value_type
    parts = [
        _texts([region.text for region in regions]),
        _array(kind.field("quad").type, len(regions), None, children=[_numbers("f", corners)]),
        _numbers("f", [region.confidence for region in regions]),
    ]
    ends = _offsets(len(row.regions) for row in rows)
    values = [
        _array(columns.field("content").type, len(rows), None, b"".join(bytes.fromhex(row.content) for row in rows)),
        _texts([row.name for row in rows]),
        *(_numbers("i", [row.size[edge] for row in rows]) for edge in (0, 1)),
        _array(listed, len(rows), None, ends, children=[_array(kind, len(regions), None, children=parts)]),
        _texts([row.error for row in rows]),
    ]
    return pa.RecordBatch.from_arrays(values, schema=columns)


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


def _array(
    kind: pa.DataType, length: int, *buffers: bytes | None, children: Sequence[pa.Array] | None = None
) -> pa.Array:
    """Make an array of its memory: `pyarrow.array` imports pandas where it is installed, which takes 50 MB."""
    import pyarrow as pa

    held = [None if buffer is None else pa.py_buffer(buffer) for buffer in buffers]
    return pa.Array.from_buffers(kind, length, held, children=children)


def _numbers(code: Literal["i", "f"], values: Sequence[float]) -> pa.Array:
    import pyarrow as pa

    kind = pa.int32() if code == "i" else pa.float32()
    return _array(kind, len(values), None, array(code, values).tobytes())


def _texts(values: Sequence[str | None]) -> pa.Array:
    """Write texts, also those that hold bytes of no text, and those that are missing."""
    import pyarrow as pa

    encoded = [without_half_pairs(value or "").encode() for value in values]
    there = sum((value is not None) << place for place, value in enumerate(values))
    missing = there.to_bytes(len(values) // 8 + 1, "little") if None in values else None
    return _array(pa.string(), len(values), missing, _offsets(map(len, encoded)), b"".join(encoded))


def _offsets(lengths: Iterable[int]) -> bytes:
    return array("i", accumulate(lengths, initial=0)).tobytes()
