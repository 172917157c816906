"""Run the tasks of a grid on this machine, some at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from attrs import field, frozen
from attrs.validators import ge, gt, optional

from remgcl import Executor, RunError, Submit, Task
from remgcl.plugins.executors.devices import VISIBLE, Gpus, cores, gpus, threads

TIED = Path(__file__).with_name("tied.py")

KILLED = 10.0
"""Seconds that a task has for its end when it was asked for the second time."""


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
        running = _Running(Gpus(names, slots), max(1, cores() // slots))
        pool = ThreadPoolExecutor(slots, "slot")

        def submit(task: Task) -> Future[int]:
            return pool.submit(running.run, task)

        try:
            yield submit
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            running.stop(self.patience)
            pool.shutdown()


class _Running:
    """The processes that run."""

    def __init__(self, gpus: Gpus, share: int) -> None:
        self._gpus = gpus
        self._share = share
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._stopped = False

    def run(self, task: Task) -> int:
        """Run a task to its end, on GPUs of its own where there are any; give its exit code."""
        if len(self._gpus) and task.processes > len(self._gpus):
            raise RunError(f"executor: task {task.name!r} needs {task.processes} GPUs; there are {len(self._gpus)}")
        with self._gpus.lent(task.processes if len(self._gpus) else 0) as lent:
            process = self._start(task, lent)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._processes.discard(process)

    def _start(self, task: Task, lent: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start a task, out of reach of the terminal's Ctrl-C."""
        environment = {**os.environ, **threads(max(1, self._share // task.processes), os.environ)}
        if lent:
            environment[VISIBLE] = ",".join(lent)
        command = [sys.executable, "-I", "-S", str(TIED), str(os.getpid()), *task.command]
        with self._lock:
            if self._stopped:
                raise RunError(f"executor: task {task.name!r} was not started; the grid ends")
            try:
                with task.log.open("ab") as log:
                    process = subprocess.Popen(  # noqa: S603 - the command of the task
                        command,
                        cwd=task.folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except OSError as error:
                raise RunError(f"executor: task {task.name!r} cannot be started; {error}") from error
            self._processes.add(process)
        return process

    def stop(self, patience: float) -> None:
        """Ask all to keep a checkpoint and end; then to end at once; then end them."""
        with self._lock:
            self._stopped = True
            left = list(self._processes)
        for wait in (patience, KILLED):
            for process in left:
                process.terminate()
            try:
                left = [process for process in left if not _ended(process, wait)]
            except KeyboardInterrupt:  # a second Ctrl-C: no more patience
                continue
        for process in left:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _ended(process: subprocess.Popen[bytes], wait: float) -> bool:
    """Wait for a process, but not for ever."""
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        return False
    return True
