"""A task that runs below this process, and dies with it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from remgcl import RunError, Task

SUPERVISOR = Path(__file__).with_name("supervisor.py")

TICK = 0.2
"""Seconds after which a signal is noticed at the latest."""


class Supervised:
    """The command of a task, with a program between that ends it when this process dies."""

    def __init__(self, task: Task, patience: float, environment: Mapping[str, str], cores: Sequence[int] = ()) -> None:
        """Start the command; what it prints is appended to the task's log.

        Args:
            task: The task.
            patience: Seconds that it has to save a checkpoint when it is
                stopped.
            environment: Variables beside those of this process.
            cores: The cores that it may use; those of this process by itself.

        Raises:
            RunError: The system starts no process any more.
        """
        numbers = ",".join(map(str, cores))
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own
                [sys.executable, "-P", SUPERVISOR, str(patience), numbers, task.folder, task.log, *task.command],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise RunError(f"cannot be started; {error}") from error
        assert self._process.stdin  # noqa: S101 - for mypy
        assert self._process.stdout  # noqa: S101 - for mypy
        self._orders, self._answer = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        """Have it run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs."""
        self._orders.close()
        self._answer.close()
        self._process.wait()

    def stop(self) -> None:
        """Ask the command to keep a checkpoint and end; the second time, end it at once."""
        with suppress(BrokenPipeError):
            os.write(self._orders.fileno(), b".")

    def wait(self) -> int:
        """Wait for the end, and give the exit code.

        Raises:
            RunError: The command could not be started, or was not run to its end.
        """
        while not select.select([self._answer], [], [], TICK)[0]:
            pass
        reply = os.read(self._answer.fileno(), 4096).decode()
        if not reply.removeprefix("-").isdecimal():
            raise RunError(reply or "its processes were killed")
        return int(reply)
