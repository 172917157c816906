"""Which plugin an error came out of.

Calls of parts are not wrapped one by one: the traceback of an error shows where
it was raised, in whatever process that was, and this module reads it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from os.path import commonpath
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from attrs import frozen

from remgcl.core.errors import RemgclError
from remgcl.core.parts import Part
from remgcl.core.registry.hookspecs import PROJECT
from remgcl.core.registry.loading import origin
from remgcl.core.registry.registry import KINDS

TOLD = re.compile(r'^\s*File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
"""A place in the text of a traceback: an error of another process carries it in its message."""


@frozen
class _Place:
    """Where an error passed through.

    Attributes:
        file: The source file.
        line: The line.
        function: The function.
        kind: The kind of part whose class it belongs to, if that is known.
    """

    file: str
    line: int
    function: str
    kind: str = ""


@frozen
class _Owner:
    """A plugin that is imported.

    Attributes:
        point: Its entry point.
        root: The folder of its topmost package, or the file of its only module.
        file: The file of the module that the entry point names.
    """

    point: EntryPoint
    root: Path
    file: str


def culprit(error: BaseException) -> str | None:
    """Name the plugin of a third party that an error was raised in, with kind, function, file and line.

    Args:
        error: An error that was caught; it may have come out of a loader worker.

    Returns:
        The message to print beside the error; None if no such plugin took part.
    """
    owners = _owners()
    for raised in reversed(_chain(error)):
        through = [(point, place) for place in _places(raised) if (point := _owner(place.file, owners))]
        if through:
            point, place = through[-1]
            kind = next((other.kind for same, other in reversed(through) if same is point and other.kind), "")
            fix = "" if isinstance(error, RemgclError) else "; report it to its authors"
            return (
                f"plugin {point.name!r} of {origin(point)}: {kind}{': ' if kind else ''}"
                f"raised {type(raised).__name__} in {place.function} ({place.file}:{place.line}){fix}"
            )
    return None


def named(part: Part) -> str:
    """Name the class of a part, and the plugin of a third party that it belongs to.

    Args:
        part: The part.
    """
    cls, (_, point) = type(part), _origin(part)
    return f"{cls.__module__}.{cls.__qualname__}" + (f" of plugin {point.name!r}" if point else "")


def source(part: Part) -> dict[str, str | None]:
    """Return what a part was made from, as far as that is known.

    Args:
        part: The part.

    Returns:
        The `distribution` of its plugin with its version, and the `sha256` of
        the file that defines its class.
    """
    file, point = _origin(part)
    try:
        digest = sha256(Path(file).read_bytes()).hexdigest() if file else None
    except OSError:
        digest = None
    return {"distribution": origin(point) if point else None, "sha256": digest}


def foreign(part: Part) -> bool:
    """Return whether a part comes from a third party, so that no test of this project has tried it out.

    Args:
        part: The part.
    """
    return type(part).__module__.partition(".")[0] != PROJECT


def _origin(part: Part) -> tuple[str | None, EntryPoint | None]:
    """Find the file that defines a part's class, and the plugin of a third party that it belongs to."""
    file = getattr(sys.modules.get(type(part).__module__), "__file__", None)
    return file, _owner(file, _owners()) if file else None


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and those it was raised from, the first cause last."""
    chain = [error]
    while (cause := _cause(chain[-1])) is not None and all(cause is not other for other in chain):
        chain.append(cause)
    return chain


def _cause(error: BaseException) -> BaseException | None:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None if _is_text(cause) else cause


def _is_text(error: BaseException | None) -> bool:
    """Return whether an exception only carries the traceback of one raised in a process of a pool."""
    return type(error).__name__.endswith("RemoteTraceback")


def _places(error: BaseException) -> Iterator[_Place]:
    """Return the places that an error passed through, the innermost last."""
    for frame, line in walk_tb(error.__traceback__):
        yield _Place(frame.f_code.co_filename, line, frame.f_code.co_qualname, _kind(frame))
    brought = error.__cause__ if _is_text(error.__cause__) else ""
    for file, line, function in TOLD.findall(f"{error}{brought}"):
        yield _Place(file, int(line), function)


def _kind(frame: FrameType) -> str:
    """Return the kind of the part whose class defines a frame's function."""
    cls = frame.f_globals.get(frame.f_code.co_qualname.partition(".")[0])
    of = (kind for kind, contract in KINDS.items() if isinstance(cls, type) and issubclass(cls, contract))
    return next(of, "")


def _owners() -> list[_Owner]:
    """Return the plugins of third parties that are imported."""
    owners = []
    for point in entry_points(group=PROJECT):
        names = point.module.split(".")
        packages = (sys.modules.get(".".join(names[: length + 1])) for length in range(len(names)))
        files = [file for package in packages if (file := getattr(package, "__file__", None))]
        if files and names[0] != PROJECT:
            top = Path(files[0])
            owners.append(_Owner(point, top.parent if top.stem == "__init__" else top, files[-1]))
    return owners


def _owner(file: str, owners: list[_Owner]) -> EntryPoint | None:
    """Find the plugin that a file belongs to; of several in one package, the nearest."""
    having = [owner for owner in owners if Path(file).is_relative_to(owner.root)]
    nearest = max(having, key=lambda owner: len(commonpath([file, owner.file])), default=None)
    return nearest.point if nearest else None
