"""Output of commands: text in any encoding, and streams that may be closed."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rich.console import Console

AWAY = (errno.ENOSPC, errno.EPIPE, errno.EIO)
"""Errors of a write to a full disk, a closed pipe and a closed terminal."""

WIDE = 240
"""Columns of a table that goes to a file or a pipe, where nothing says how wide it may be."""


def readable() -> None:
    """Make standard output and error replace characters that their encoding lacks, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if stream is sys.stderr else "replace")


def console(stream: IO[str] | None = None, *, soft_wrap: bool = True) -> Console:
    """Return the console of a command: as wide as its terminal, and wide enough for every column without one.

    Args:
        stream: Its output; standard output by default.
        soft_wrap: Whether long lines are left to the terminal to wrap.
    """
    from rich.console import Console

    made = Console(file=stream, soft_wrap=soft_wrap, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = WIDE
    return made


class Lasting(io.TextIOBase):
    """A stream that drops text when its target is full or closed, so that a training does not end without a reader."""

    def __init__(self, stream: IO[str]) -> None:
        """Write to a stream until a write fails.

        Args:
            stream: The stream.
        """
        self._stream: IO[str] | None = stream
        self._terminal = stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._terminal

    def fileno(self) -> int:
        """Return the file descriptor of the stream."""
        if self._stream is None:
            raise io.UnsupportedOperation
        return self._stream.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write a text, or drop it.

        Args:
            text: The text.
        """
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._try(lambda stream: stream.flush())

    def _try(self, write: Callable[[IO[str]], object]) -> None:
        if self._stream is None:
            return
        try:
            write(self._stream)
        except OSError as error:
            if error.errno not in AWAY:
                raise
            stream, self._stream = self._stream, None
            lose(stream)


def lasting(stream: IO[str]) -> IO[str]:
    """Wrap a stream so that a write to a full disk, a closed pipe or a closed terminal is dropped.

    Args:
        stream: The stream.
    """
    return cast("IO[str]", Lasting(stream))


def lose(stream: IO[str]) -> None:
    """Redirect a failed stream to the null device, so that closing it raises nothing.

    Args:
        stream: The stream.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
