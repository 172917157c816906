"""Many images verified at once: by all cores, and none again as long as its file does not change.

An image without fault is remembered by its name with the size and the time of
the last change of its file, or with the digest of its content where that is
asked for. A run, a resumed run and every cell of a grid then open new images
only. The records are in the user's cache, `REMGCL_CACHE` or
``~/.cache/remgcl``, in files that are whole or absent; several processes may
write there at once, and losing them costs time alone.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from hashlib import blake2b
from multiprocessing import current_process
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import uuid4

from attrs import Factory, define, frozen

from remgcl.core.errors import DataError
from remgcl.core.files.whole import write
from remgcl.core.processes import cores, processes

if TYPE_CHECKING:
    from remgcl.core.files.images import ImageFolder

A = TypeVar("A")
B = TypeVar("B")
Each: TypeAlias = Callable[[Callable[[A], B], Iterable[A]], Iterator[B]]

FORMAT = 1
"""Raised when what counts as an image without fault changes."""

KEY = 16
"""Bytes of what is remembered of an image."""

CHUNK = 256
"""Images of one task."""

MANY = 4096
"""Images from which on it pays to start processes."""

FILES = 8
"""Files of a folder's memory, beyond which they are joined."""

SECONDS = 20.0
"""Time after which what was found is written, so that an interrupted check loses no more."""

RECENT = 2.0
"""Seconds; a file that has just changed may change again without getting another time."""

_contents: ContextVar[bool] = ContextVar("contents", default=False)
_log = logging.getLogger("remgcl")


@frozen
class Verdict:
    """The faults of images.

    Attributes:
        faults: Why an image cannot be opened, by name.
        broken: Why one that can be opened cannot be decoded, by name; only
            known where contents are read.
    """

    faults: dict[str, str]
    broken: dict[str, str]


@contextmanager
def contents_read() -> Iterator[None]:
    """Have images verified by their content: each is read, and decoded unless that content was before."""
    token = _contents.set(True)
    try:
        yield
    finally:
        _contents.reset(token)


def verify_images(folder: ImageFolder, names: Iterable[str]) -> Verdict:
    """Find what is wrong with images of a folder.

    Args:
        folder: Opens them.
        names: Their names; a repeated name is checked once.
    """
    different = list(dict.fromkeys(names))
    memory = _Memory.of(folder.path)
    alone = len(different) < MANY or len(cores()) == 1 or bool(current_process().daemon)
    if alone:
        return _verified(folder, different, memory, map)
    try:
        with processes(len(cores())) as pool:
            return _verified(folder, different, memory, pool)
    except BrokenProcessPool:
        _log.warning("a process that verified images was killed; they are verified by one process")
        return _verified(folder, different, memory, map)


def _verified(folder: ImageFolder, names: Sequence[str], memory: _Memory, each: Each[Any, Any]) -> Verdict:
    contents = _contents.get()
    verdict = Verdict({}, {})
    unknown: list[str] = []
    for seen in each(partial(_seen, folder, contents), _chunks(names)):
        unknown += [name for name, key in seen if key is None or key not in memory.known]
    try:
        for opened in each(partial(_opened, folder, contents), _chunks(unknown)):
            for name, key, fault, broken in opened:
                if fault is not None:
                    verdict.faults[name] = fault
                elif broken is not None:
                    verdict.broken[name] = broken
                elif key is not None:
                    memory.add(key)
    finally:
        memory.flush()
    return verdict


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + CHUNK] for at in range(0, len(names), CHUNK))


def _seen(folder: ImageFolder, contents: bool, names: Sequence[str]) -> list[tuple[str, bytes | None]]:  # noqa: FBT001 - a partial's
    """Make the key of each image by which it may be remembered."""
    inside: dict[str, bool] = {}
    return [(name, _key(folder, contents, name, inside)) for name in names]


def _opened(
    folder: ImageFolder,
    contents: bool,  # noqa: FBT001 - a partial's
    names: Sequence[str],
) -> list[tuple[str, bytes | None, str | None, str | None]]:
    """Open images, or decode them: the key of each, why it cannot be opened, and why it cannot be decoded."""
    inside: dict[str, bool] = {}
    found = []
    for name in names:
        key, fault, broken = _key(folder, contents, name, inside), None, None
        try:
            folder.open(name).close()
        except DataError as error:
            fault = str(error)
        if contents and fault is None:
            try:
                folder.load(name)
            except DataError as error:
                broken = str(error)
        found.append((name, key, fault, broken))
    return found


def _key(folder: ImageFolder, contents: bool, name: str, inside: dict[str, bool]) -> bytes | None:  # noqa: FBT001 - as above
    """Make the key of an image; none for one that must be opened to be judged."""
    try:
        path = _place(folder, name, inside)
        held = path.stat()
        if not S_ISREG(held.st_mode):
            return None
        if contents:
            about = blake2b(path.read_bytes(), digest_size=KEY).hexdigest()
        elif time.time() - held.st_mtime < RECENT:
            return None
        else:
            about = f"{held.st_size} {held.st_mtime_ns}"
    except (DataError, OSError, ValueError):
        return None
    identity = f"{FORMAT}\0{name}\0{folder.max_pixels}\0{folder.decoding if contents else ''}\0{about}"
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=KEY).digest()


def _place(folder: ImageFolder, name: str, inside: dict[str, bool]) -> Path:
    """Find an image; a folder inside is looked at once, unless a link or a way upwards leads on from there."""
    path = folder.path / name
    above = os.path.dirname(name)  # noqa: PTH120 - a million times
    if above not in inside:
        folder.locate(above)
        inside[above] = True
    if ".." in name or S_ISLNK(path.lstat().st_mode):
        return folder.locate(name)
    return path


@define
class _Memory:
    """The records of a folder's images.

    Attributes:
        path: Where, if there is such a place.
        known: The keys of images without fault.
    """

    path: Path | None
    known: set[bytes] = Factory(set)
    _new: list[bytes] = Factory(list)
    _written: float = Factory(time.monotonic)

    @classmethod
    def of(cls, folder: Path) -> _Memory:
        """Read what is remembered, and join its files if there are many."""
        cache = _cache()
        if cache is None:
            return cls(None)
        name = blake2b(os.fsencode(folder.resolve()), digest_size=KEY).hexdigest()
        memory = cls(cache / "images" / name)
        files = sorted(memory.path.glob("*.keys")) if memory.path else []
        for file in files:
            with suppress(OSError):
                raw = file.read_bytes()
                memory.known.update(raw[at : at + KEY] for at in range(0, len(raw) - KEY + 1, KEY))
        if len(files) > FILES:
            memory._new = list(memory.known)
            if memory.flush():
                for file in files:
                    file.unlink(missing_ok=True)
        return memory

    def add(self, key: bytes) -> None:
        """Remember an image; it is written now and then."""
        self.known.add(key)
        self._new.append(key)
        if time.monotonic() - self._written > SECONDS:
            self.flush()

    def flush(self) -> bool:
        """Write what is new; a place that takes nothing costs time alone."""
        self._written = time.monotonic()
        if not self._new or self.path is None:
            return False
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write(self.path / f"{uuid4().hex}.keys", b"".join(self._new))
        except OSError as error:
            _log.warning("%s: cannot be written; %s; images will be opened again", self.path, error.strerror)
            self.path = None
            return False
        self._new = []
        return True


def _cache() -> Path | None:
    """Name the folder of the user's cache, if the user has one."""
    named = os.environ.get("REMGCL_CACHE")
    if named:
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remgcl"
    except RuntimeError:
        return None
