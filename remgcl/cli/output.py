"""Where a command prints to: text that no encoding refuses, and an output that may go away."""

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
"""What a write meets on a full disk, a closed pipe and a closed terminal."""

WIDE = 240
"""Columns of a table that goes to a file or a pipe, where nothing says how wide it may be."""


def readable() -> None:
    """Let standard output and error replace what their encoding lacks, where they would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if stream is sys.stderr else "replace")


def console(stream: IO[str] | None = None, *, soft_wrap: bool = True) -> Console:
    """Make the console of a command: as wide as its terminal, and wide enough for every column without one.

    Args:
        stream: Where it prints to; standard output by default.
        soft_wrap: Whether long lines are left to the terminal to wrap.
    """
    from rich.console import Console

    made = Console(file=stream, soft_wrap=soft_wrap, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = WIDE
    return made


class Lasting(io.TextIOBase):
    """A stream that goes on when what it writes to is full or gone: a training must not end for want of a reader."""

    def __init__(self, stream: IO[str]) -> None:
        """Write to a stream as long as it takes something.

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
        """Tell whether it is a terminal."""
        return self._terminal

    def fileno(self) -> int:
        """Give the handle of the stream."""
        if self._stream is None:
            raise io.UnsupportedOperation
        return self._stream.fileno()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write a text, or drop it.

        Args:
            text: The text.
        """
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write out what is kept."""
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
    """Point a stream that takes no more to nowhere, so that its end raises nothing.

    Args:
        stream: The stream.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
