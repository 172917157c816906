"""Text regions of many images, found by many processes and kept in a cache.

This module knows no command line: how far the work is goes to a function that
is given. Its processes import no torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import Factory, define, evolve, field

from remgcl.core.data.surrogates import half_pair
from remgcl.core.errors import DataError, RunError
from remgcl.core.ocr.cache import content_of
from remgcl.core.ocr.sources import DataSource, Source
from remgcl.core.ocr.writer import OcrWriter, Row, packed
from remgcl.core.parts import Dataset, OcrEngine, Samples
from remgcl.core.processes import Pool, processes
from remgcl.core.registry.boundary import hold
from remgcl.core.registry.culprit import culprit, named
from remgcl.core.samples import Region, Sample

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

SHARD_IMAGES, SHARD_SECONDS = 64, 30.0
"""Images, and seconds of work, after which what was recognised is written."""

DIGESTED_AT_ONCE = 16
"""Images that a process is given at once to digest."""

Place: TypeAlias = tuple[int, int]
"""A source and an image of it, by their numbers."""

Show: TypeAlias = Callable[[str, int, Iterable[Any]], Iterable[Any]]
"""Shows how far a phase is: its name, how many images it has, and its results as they come."""


@define
class Report:
    """What came of it.

    Attributes:
        images: Images there are, however often each occurs.
        different: Different images among those that could be read.
        found: How many of these the cache held already.
        recognised: How many of these were recognised now.
        regions: Lines of text in these.
        replaced: How many of these held half of a surrogate pair, which U+FFFD replaces.
        seconds: How long it took to recognise them.
        unreadable: Images that could not be read, each named with the reason.
    """

    images: int = 0
    different: int = 0
    found: int = 0
    recognised: int = 0
    regions: int = 0
    replaced: int = 0
    seconds: float = 0.0
    unreadable: list[str] = Factory(list)


def recognise(sources: Sequence[Source], engine: OcrEngine, writer: OcrWriter, *, workers: int, show: Show) -> Report:
    """Find the text regions of every image that a cache does not hold yet.

    Args:
        sources: Where the images come from.
        engine: What finds the regions.
        writer: The cache.
        workers: Processes; each loads the engine once.
        show: Shows how far the work is.

    Raises:
        DataError: A dataset cannot be read.
        RunError: The cache cannot be written, or a process was killed. What
            was recognised is kept.
    """
    report = Report()
    with _processes(sources, engine, workers) as pool:
        missing = _digest(sources, writer, pool, show, report)
        begun = written = time.monotonic()
        try:
            for row, regions, replaced, error in show("recognised", len(missing), pool(_read, missing)):
                if row is not None:
                    writer.add(row)
                report.recognised += error is None
                report.regions += regions
                report.replaced += replaced
                report.unreadable += [error] if error else []
                if len(writer) >= SHARD_IMAGES or time.monotonic() - written > SHARD_SECONDS:
                    writer.flush()
                    written = time.monotonic()
        finally:
            writer.flush()
        report.seconds = time.monotonic() - begun
    return report


def _digest(sources: Sequence[Source], writer: OcrWriter, pool: Pool, show: Show, report: Report) -> list[Place]:
    """Look at every image, and give a place of each different one that is not in the cache."""
    places = [(number, index) for number, source in enumerate(sources) for index in range(len(source.build()))]
    missing: dict[str, Place] = {}
    found: set[str] = set()
    chunks = [places[at : at + DIGESTED_AT_ONCE] for at in range(0, len(places), DIGESTED_AT_ONCE)]
    digested = (seen for chunk in pool(_contents, chunks) for seen in chunk)
    for place, content, error in show("read", len(places), digested):
        report.images += error is not None or content is not None
        if error is not None:
            report.unreadable.append(error)
        elif content is not None and content in writer.known:
            found.add(content)
        elif content is not None:
            missing[content] = min(place, missing.get(content, place))
    report.different, report.found = len(found) + len(missing), len(found)
    return sorted(missing.values())


@contextmanager
def _processes(sources: Sequence[Source], engine: OcrEngine, workers: int) -> Iterator[Pool]:
    """Start processes, and say what is to be done when one of them is killed."""
    try:
        with processes(workers, _begin, sources, engine) as pool:
            yield pool
    except BrokenProcessPool:
        raise RunError(
            "a process was killed, perhaps for lack of memory; recognised images are kept: "
            "run the command again, with fewer --workers"
        ) from None


@define
class _Worker:
    """What a process holds.

    Attributes:
        sources: Where the images come from.
        engine: What finds the regions.
    """

    sources: Sequence[Source]
    engine: OcrEngine
    _built: dict[int, Samples | Sequence[Sample]] = field(factory=dict, init=False)
    _reader: Callable[[Image], Sequence[Region]] | None = field(default=None, init=False)

    def sample(self, place: Place) -> Sample:
        """Read a sample; its dataset is built once."""
        number, index = place
        if number not in self._built:
            source = self.sources[number]
            if isinstance(source, DataSource):
                hold(type(source.data), Dataset, named(source.data))  # this process has no registry
            self._built[number] = source.build()
        return self._built[number][index]

    @property
    def reader(self) -> Callable[[Image], Sequence[Region]]:
        """The engine, which is built once, when there is something to read."""
        if self._reader is None:
            hold(type(self.engine), OcrEngine, named(self.engine))  # this process has no registry
            self._reader = self.engine.build()
        return self._reader


_here: list[_Worker] = []
"""What this process holds, if it is one of the pool's."""


def _begin(sources: Sequence[Source], engine: OcrEngine) -> None:
    """Prepare a process."""
    _here[:] = [_Worker(sources, engine)]


def _contents(places: Sequence[Place]) -> list[tuple[Place, str | None, str | None]]:
    """Return the digest of each image, or what is wrong with it; neither for a sample without an image."""
    return [(place, *_content(place)) for place in places]


def _content(place: Place) -> tuple[str | None, str | None]:
    (worker,) = _here
    try:
        sample = worker.sample(place)
    except DataError as error:
        return None, str(error)
    if sample.stands_in_for:
        name = worker.sources[place[0]].name
        return None, f"{name}: sample {place[1]}: its image cannot be read; {sample.id!r} stands in for it"
    return (None if sample.image is None else content_of(sample)), None


def _read(place: Place) -> tuple[pa.RecordBatch | None, int, int, str | None]:
    """Make the row of an image: the row, its regions, how many were mended, and why it could not be read."""
    (worker,) = _here
    try:
        sample = worker.sample(place)
    except DataError as error:  # it was there when it was digested
        return None, 0, 0, str(error)
    assert sample.image is not None  # noqa: S101 - it had one when it was digested
    row = Row(content=content_of(sample), name=sample.id, size=sample.image.size)
    reader = worker.reader
    try:
        regions = reader(sample.image)
        replaced = sum(half_pair(region.text) is not None for region in regions)
        return packed(evolve(row, regions=regions)), len(regions), replaced, None
    except Exception as error:  # noqa: BLE001 - an engine may raise anything, and other images continue
        why = f"{type(error).__name__}: {error}"
        reason = "; ".join(filter(None, [why, culprit(error)]))
        return packed(evolve(row, error=why)), 0, 0, f"image {sample.id!r}: cannot be recognised; {reason}"
