"""Published files: JSON, JSON lines and the Parquet of the hub, each read with errors that say how to obtain them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl import Benchmark, BenchmarkQuestion, DataError, Picture, listed, read_regular

SHORT = "\nAnswer the question using a single word or phrase."
"""What LLaVA's scripts and lmms-eval write behind a question with a short answer."""

SPLITS = ("dataset_split", "dataset_type", "data_subtype", "set_name", "data_split")
"""Keys by which published files say which split they are of."""

Row = Mapping[str, Any]


@frozen(kw_only=True)
class Published(Benchmark):
    """A benchmark whose rows are in published files or in Parquet."""

    @abstractmethod
    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Find the rows of a split.

        Args:
            files: The folder.
            split: The part that is asked.
        """

    @abstractmethod
    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Make a question of a row.

        Args:
            row: A record of the files.
            place: Where it stands among the rows, from 0.
        """

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Read the rows, and name one that is at fault.

        Args:
            folder: The folder of the benchmark.
            split: The part that is asked.

        Raises:
            DataError: A file is missing, or a row is no question.
        """
        found: list[BenchmarkQuestion] = []
        try:
            for row in self.rows(Files(folder, self.obtain), split):
                found.append(self.question(row, len(found)))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{folder}: item {len(found)}: is no question of this benchmark; {what}") from None
        return found


@frozen
class Files:
    """The files of a benchmark in a folder.

    Attributes:
        folder: The folder.
        obtain: How they are obtained.
    """

    folder: Path
    obtain: str

    def found(self, *names: str) -> list[Path]:
        """Find files by the first name or pattern that any file has.

        Args:
            *names: Names or patterns, in the order to look for them.
        """
        for name in names:
            paths = sorted(path for path in self.folder.glob(name) if path.is_file())
            if paths:
                return paths
        return []

    def one(self, *names: str) -> Path:
        """Find one file.

        Args:
            *names: Names or patterns, in the order to look for them.

        Raises:
            DataError: There is none.
        """
        paths = self.found(*names)
        if not paths:
            raise self.missing(*names)
        return paths[0]

    def missing(self, *names: str) -> DataError:
        """Say which files were looked for, and how they are obtained.

        Args:
            *names: Their names or patterns.
        """
        return DataError(f"{self.folder}: there is no {' and no '.join(map(repr, names))}; {self.obtain}")

    def json(self, *names: str, split: str | None = None) -> Any:  # noqa: ANN401 - any JSON
        """Read a JSON file.

        Args:
            *names: Names or patterns, in the order to look for them.
            split: The split it must be of, where it says which.

        Raises:
            DataError: It is missing, no JSON, or of another split.
        """
        path = self.one(*names)
        held = parsed(path, _read(path))
        if split is not None and isinstance(held, Mapping):
            of_split(path, held, split)
        return held

    def lines(self, *names: str) -> list[Any]:
        """Read a file of JSON lines.

        Args:
            *names: Names or patterns, in the order to look for them.

        Raises:
            DataError: It is missing, or a line is no JSON.
        """
        path = self.one(*names)
        return [
            parsed(path, line, f"line {number}: ")
            for number, line in enumerate(_read(path).split("\n"), 1)
            if line.strip()
        ]

    def parquet(self, *splits: str, within: str = "") -> list[Row] | None:
        """Read the rows of Parquet files, their images aside; None if there are no such files.

        Args:
            *splits: Names that the split goes by.
            within: The folder that the files must lie in, where there are several configurations.

        Raises:
            DataError: A file cannot be read.
        """
        paths = [
            path
            for split in dict.fromkeys(splits)
            for path in self.found(f"**/{within}*/**/{split}-*.parquet" if within else f"**/{split}-*.parquet")
        ]
        return [row for path in paths for row in _parquet_rows(path)] if paths else None

    def picture(self, name: str, *folders: str) -> Picture:
        """Name the image file of a question, in the first of some folders that has it.

        Args:
            name: The file's name.
            *folders: Folders to look in; the benchmark's own by default.
        """
        places = [self.folder / folder / name for folder in folders or ("",)]
        file = next((place for place in places if place.is_file()), places[0])
        return Picture(name=file.relative_to(self.folder).as_posix(), file=file)


def of_split(path: Path, held: Row, split: str) -> None:
    """Verify that a file or a record is of a split, where it says which.

    Args:
        path: The file.
        held: The record.
        split: The split.

    Raises:
        DataError: It is of another.
    """
    said = next((str(held[key]) for key in SPLITS if isinstance(held.get(key), str)), None)
    if said is not None and not said.lower().startswith(split.lower()[:3]):
        raise DataError(f"{path}: is of split {said!r}; {split!r} is asked")


def parsed(path: Path, text: str, where: str = "") -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON.

    Args:
        path: The file it is from, for errors.
        text: The text.
        where: The place in the file, for errors.

    Raises:
        DataError: It is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {where}is no JSON; {error}") from None


def texts(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - whatever a file holds
    """Return answers as a tuple, be they one text or a list.

    Args:
        value: One answer, or a list.
    """
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _read(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read; {error}") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    """Return the rows of a file; images become pictures that read their bytes when they are opened."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        file = pq.ParquetFile(path)
        images = [name for name in file.schema_arrow.names if name in {"image", "decoded_image"}]
        names = [name for name in file.schema_arrow.names if name not in images]
        place = 0
        for group in range(file.num_row_groups):
            for within, row in enumerate(file.read_row_group(group, columns=names).to_pylist()):
                shown = {"image": _picture(path, group, within, images[0], place)} if images else {}
                yield {**row, **shown}
                place += 1
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: cannot be read; {error}") from None


def _picture(path: Path, group: int, row: int, column: str, place: int) -> Picture:
    def content() -> bytes:
        held = _column(path, group, column)[row]
        if not isinstance(held, Mapping) or not held.get("bytes"):
            raise DataError(f"{path}: row {place}: holds no image")
        return bytes(held["bytes"])

    return Picture(name=f"{path.name}#{place}", content=content)


@lru_cache(maxsize=2)
def _column(path: Path, group: int, column: str) -> list[Any]:
    """Read the images of a group of rows."""
    import pyarrow.parquet as pq

    held: list[Any] = pq.ParquetFile(path).read_row_group(group, columns=[column])[column].to_pylist()
    return held


def chosen(split: str, known: Mapping[str, Any], what: str) -> Any:  # noqa: ANN401 - of any kind
    """Find what belongs to a split.

    Args:
        split: The split.
        known: What belongs to each.
        what: The benchmark, for errors.

    Raises:
        DataError: There is no such split.
    """
    if split not in known:
        raise DataError(f"{what}: split: must be one of {listed(known)}; it is {split!r}")
    return known[split]
