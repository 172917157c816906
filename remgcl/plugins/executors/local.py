"""Run the tasks of a grid on this machine, some at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

from attrs import field, frozen
from attrs.validators import ge, gt, optional

from remgcl import Executor, RunError, Submit, Task
from remgcl.plugins.executors.devices import VISIBLE, Gpus, cores, gpus, threads
from remgcl.plugins.executors.supervised import Supervised


@frozen(kw_only=True)
class Local(Executor):
    """Run tasks on this machine, each in a process of its own.

    GPUs are shared out, `CUDA_VISIBLE_DEVICES` is respected; each task takes as
    many threads as its share of the cores. When the command dies, so do they.

    Attributes:
        slots: Tasks at once; without it one for each GPU, or for each core
            where there is no GPU.
        patience: Seconds that a task has to keep a checkpoint when it is told
            to stop.
    """

    slots: int | None = field(default=None, validator=optional(ge(1)))
    patience: float = field(default=600.0, validator=gt(0))

    @contextmanager
    def open(self) -> Iterator[Submit]:
        """Make room for as many tasks as there are slots."""
        names = gpus()
        slots = self.slots or len(names) or cores()
        running = _Running(Gpus(names, slots), max(1, cores() // slots), self.patience)
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


class _Running:
    """The tasks that run."""

    def __init__(self, gpus: Gpus, share: int, patience: float) -> None:
        self._gpus = gpus
        self._share = share
        self._patience = patience
        self._tasks: set[Supervised] = set()
        self._lock = Lock()
        self._stopped = False

    def run(self, task: Task) -> int:
        """Run a task to its end, on GPUs of its own where there are any; give its exit code."""
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
        environment = threads(max(1, self._share // task.processes), os.environ)
        if lent:
            environment[VISIBLE] = ",".join(lent)
        with self._lock:
            if self._stopped:
                raise RunError(f"executor: task {task.name!r} was not started; the grid ends")
            try:
                started = Supervised(task, self._patience, environment)
            except RunError as error:
                raise RunError(f"executor: task {task.name!r} {error}") from None
            self._tasks.add(started)
        with started:
            try:
                yield started
            finally:
                with self._lock:
                    self._tasks.discard(started)

    def stop(self) -> None:
        """Ask all to keep a checkpoint and end; the second time, end them at once."""
        with self._lock:
            self._stopped = True
            for task in self._tasks:
                task.stop()
