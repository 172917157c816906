"""Processes of this machine: the cores there are for them, and a pool of them.

A pool's processes import what their tasks need and no more; they ignore Ctrl-C,
which is their parent's to judge, and end when their parent does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, TypeVar

from attrs import frozen

A = TypeVar("A")
B = TypeVar("B")


def cores() -> tuple[int, ...]:
    """Number the cores that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


@frozen
class Pool:
    """Processes that are never given much more than they can do at once.

    Attributes:
        executor: The processes.
        ahead: Tasks that are given out at once.
    """

    executor: Executor
    ahead: int

    def __call__(self, function: Callable[[A], B], tasks: Iterable[A]) -> Iterator[B]:
        """Yield the results in the order they come.

        Args:
            function: What a process does with a task.
            tasks: The tasks.
        """
        waiting = iter(tasks)
        begun: set[Future[B]] = set()
        while True:
            begun |= {self.executor.submit(function, task) for task in islice(waiting, self.ahead - len(begun))}
            if not begun:
                return
            done, begun = wait(begun, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


class _Process(SpawnProcess):
    """A process that does not run the caller's script again: a script need not guard its main part."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: ANN401, N802 - the signature of multiprocessing
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)  # noqa: SLF001 - there is no other way
        finally:
            sys.modules["__main__"] = main


class _Spawn(SpawnContext):
    Process = _Process


@contextmanager
def processes(workers: int, begin: Callable[..., None] | None = None, *given: object) -> Iterator[Pool]:
    """Start processes, and end them whatever happens.

    Args:
        workers: How many.
        begin: Called in each before its first task, if anything.
        *given: Its arguments.

    Raises:
        BrokenProcessPool: A process was killed.
    """
    executor = ProcessPoolExecutor(workers, _Spawn(), _begin, (begin, given))
    try:
        yield Pool(executor, 4 * workers)
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """Prepare a process; its parent decides what an interruption means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin:
        begin(*given)


def _end_with_parent() -> None:
    """End this process when its parent does, even if that was killed and could not say so."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
