"""Run the tasks of a grid on this machine, some at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt, optional

from remgcl import Executor, RunError, Submit, Task, cores
from remgcl.plugins.executors.devices import VISIBLE, Gpus, gpus, shared_out, threads
from remgcl.plugins.executors.supervised import Supervised

MANY = 8
"""Cores of a machine that does not run a task on each."""


@frozen(kw_only=True)
class Local(Executor):
    """Run tasks on this machine, each in its own process.

    GPUs are divided among the tasks, `CUDA_VISIBLE_DEVICES` is respected; each task has its own
    cores, and as many threads. When the command dies, its tasks die too.

    Attributes:
        slots: Tasks at once; by default one for each GPU or, without GPUs, one for each core, or for every 4
            cores if there are 8 or more.
        patience: Seconds that a task has to save a checkpoint when it is stopped.
    """

    requires: ClassVar[Mapping[str, str]] = {"psutil": "remgcl[grid]"}

    slots: int | None = field(default=None, validator=optional(ge(1)))
    patience: float = field(default=600.0, validator=gt(0))

    @contextmanager
    def open(self) -> Iterator[Submit]:
        """Make room for as many tasks as there are slots."""
        names = gpus()
        numbers = cores()
        slots = self.slots or len(names) or _slots(len(numbers))
        running = _Running(Gpus(names, slots), shared_out(numbers, slots), self.patience)
        pool = ThreadPoolExecutor(slots, "slot")

        def submit(task: Task) -> Future[int]:
            return pool.submit(running.run, task)

        try:
            yield submit
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            running.stop()
            try:
                pool.shutdown()
            except KeyboardInterrupt:  # a second Ctrl-C: no more patience
                running.stop()
                pool.shutdown()


def _slots(cores: int) -> int:
    """Return how many tasks a machine without GPUs should run at once."""
    return cores // 4 if cores >= MANY else cores


class _Running:
    """The tasks that run."""

    def __init__(self, gpus: Gpus, shares: list[tuple[int, ...]], patience: float) -> None:
        self._gpus = gpus
        self._threads = min(map(len, shares))  # of every slot: another number would make other bits
        self._free = shares[::-1]
        self._patience = patience
        self._tasks: set[Supervised] = set()
        self._lock = Lock()
        self._stopped = False

    def run(self, task: Task) -> int:
        """Run a task to completion, on its own GPUs if there are any; return its exit code."""
        if len(self._gpus) and task.processes > len(self._gpus):
            raise RunError(f"executor: task {task.name!r} needs {task.processes} GPUs; there are {len(self._gpus)}")
        with (
            self._gpus.lent(task.processes if len(self._gpus) else 0) as lent,
            self._started(task, lent) as started,
        ):
            try:
                return started.wait()
            except RunError as error:
                raise RunError(f"executor: task {task.name!r} {error}") from None

    @contextmanager
    def _started(self, task: Task, lent: tuple[str, ...]) -> Iterator[Supervised]:
        """Start a task, out of reach of the terminal's Ctrl-C."""
        environment = threads(max(1, self._threads // task.processes), os.environ)
        if lent:
            environment[VISIBLE] = ",".join(lent)
        with self._lock:
            if self._stopped:
                raise RunError(f"executor: task {task.name!r} was not started; the grid ends")
            try:
                started = Supervised(task, self._patience, environment, self._free[-1])
            except RunError as error:
                raise RunError(f"executor: task {task.name!r} {error}") from None
            cores = self._free.pop()
            self._tasks.add(started)
        try:
            with started:
                yield started
        finally:
            with self._lock:
                self._tasks.discard(started)
                self._free.append(cores)

    def stop(self) -> None:
        """Ask all to keep a checkpoint and end; the second time, end them at once."""
        with self._lock:
            self._stopped = True
            for task in self._tasks:
                task.stop()
