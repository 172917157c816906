"""Files that are written whole or not at all, and JSON objects in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import IO, Any

from remgcl.core.errors import RunError
from remgcl.core.files.regular import read_regular

PAUSE = 0.1
"""Seconds between two tries to lock a file."""


def unwritten() -> tuple[type[Exception], ...]:
    """Name what is raised when a disk does not take a file; safetensors has an error of its own."""
    from safetensors import SafetensorError

    return OSError, SafetensorError


def write(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file whole or not at all.

    Args:
        path: Where to.
        content: What, at once or in parts.
    """
    beside = path.with_name(f"{path.name}.part")
    with beside.open("wb") as file:
        file.writelines([content] if isinstance(content, bytes) else content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def locked(path: Path, tries: int = 1) -> Iterator[bool]:
    """Hold a lock that ends with this process, however it ends.

    Where the file system has no locks, nothing is held.

    Args:
        path: The file of the lock; it is made, and stays.
        tries: How often to try, with `PAUSE` between.

    Yields:
        Whether it is held now; otherwise another process holds it.
    """
    with path.open("a") as file:
        held = _lock(file)
        for _ in range(tries - 1):
            if held:
                break
            sleep(PAUSE)
            held = _lock(file)
        yield held


def _lock(file: IO[str]) -> bool:
    """Lock a file unless another process has done so."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, ImportError):  # a file system or a system without such locks
        pass
    return True


def sync(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk.

    Args:
        path: The file or folder.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system raises on a folder that cannot be written into a clear error.

    Args:
        path: The folder.

    Raises:
        RunError: It cannot be written.
    """
    try:
        yield
    except unwritten() as error:
        raise RunError(f"{path}: cannot be written; {reason(error)}") from error


def reason(error: Exception) -> str:
    """Say in the system's words why a file was not written.

    Args:
        error: One of those that `unwritten` names.
    """
    return (getattr(error, "strerror", None) or str(error)).lower()


def read(path: Path) -> dict[str, Any] | None:
    """Read a JSON object, or nothing if there is no such file.

    Args:
        path: Where from.

    Raises:
        RunError: It cannot be read, or is something else.
    """
    try:
        held = json.loads(read_regular(path).decode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read; {error}") from None
    if not isinstance(held, dict):
        raise RunError(f"{path}: is not a JSON object")
    return held


def as_json(value: Mapping[str, Any]) -> bytes:
    """Write a table as JSON; what JSON does not know becomes a text.

    Args:
        value: The table.
    """
    dumped = json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n"
    return dumped.encode(errors="backslashreplace")  # a lone surrogate becomes its escape in JSON
