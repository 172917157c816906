"""The contract of executors: where the stages of a grid are trained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import returns, that


@frozen(kw_only=True)
class Task:
    """A command that trains one stage, and resumes an interrupted one if it is run again.

    Attributes:
        name: What it trains, for people.
        command: Program and arguments.
        folder: The working folder, an absolute path that every machine sees.
        log: Where its output is appended; an absolute path too.
        processes: Processes that it starts by itself, each on a GPU of its own
            where there are GPUs.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    processes: int = 1


Submit: TypeAlias = Callable[[Task], Future[int]]
"""Queue a task; its future returns the exit code, or raises `RunError` if the task could not be completed."""


@frozen(kw_only=True)
class Executor(Part):
    """Run tasks somewhere, as many at once as there is room for."""

    def verify(self) -> None:
        """Verify what the settings name, without starting anything.

        Raises:
            RemgclError: A library is not installed, or a setting cannot be met here.
        """

    @abstractmethod
    @returns(
        "a context manager",
        that(lambda opened: hasattr(opened, "__enter__") and hasattr(opened, "__exit__")),
    )
    def open(self) -> AbstractContextManager[Submit]:
        """Make room for tasks.

        A task that is cancelled by its future before it runs never runs. When
        the context ends, running tasks are stopped by a signal (they save a
        checkpoint) and are waited for, and none is left behind.

        Raises:
            RunError: The machines cannot be reached.
        """
