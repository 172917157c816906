"""Regular files: pipes and devices, which could block or never end, are refused, and reading has a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""What a path may be in place of a file."""


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Read a file whole, links followed.

    Args:
        path: The file.
        most: The most bytes that are read.

    Raises:
        OSError: It cannot be read, is no regular file, or is larger.
    """
    verify_regular(path)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        _verify_mode(os.fstat(handle).st_mode, path)  # it may have been replaced since
        held = file.read() if most is None else file.read(most + 1)
    if most is not None and len(held) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return held


def verify_regular(path: Path) -> None:
    """Verify that a path is a regular file, without opening it.

    Args:
        path: The path; links are followed.

    Raises:
        OSError: It is not there, or something else.
    """
    _verify_mode(path.stat().st_mode, path)


def _verify_mode(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "Is a directory", str(path))
    if not stat.S_ISREG(mode):
        kind = next((name for is_it, name in KINDS if is_it(mode)), "something else")
        raise OSError(errno.EINVAL, f"is {kind}, not a file", str(path))
