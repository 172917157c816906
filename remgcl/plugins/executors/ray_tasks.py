"""Tasks of a grid that wait or run in a Ray cluster."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field

from remgcl import RunError, Task
from remgcl.plugins.executors.queued import Queued
from remgcl.plugins.executors.ray import Ray
from remgcl.plugins.executors.supervised import Supervised
from remgcl.plugins.executors.watcher import Watcher

os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # Ray reads it when it is imported: no word on the terminal
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import exceptions

TICK = 1.0
"""Seconds that a look waits for tasks to end."""

PAUSE = 0.05
"""Seconds between two looks, so that a cluster without tasks costs next to nothing."""

REACHED = 10.0
"""Seconds in which a cluster must answer."""

LOST = 300.0
"""Seconds that a task waits when no machine that could run it is left."""

MARGIN = 30.0
"""Seconds that Ray has beyond a task's patience."""

Nodes: TypeAlias = list[Mapping[str, float]]
"""What each machine of the cluster has, by Ray's names."""

HEADER = "executor: on node "
"""Precedes the machine's name in a task's log."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a cluster.

    Args:
        address: The cluster.

    Raises:
        RunError: It cannot be reached.
    """
    before = signal.getsignal(signal.SIGTERM)
    host, colon, port = address.rpartition(":")
    try:
        if colon:
            socket.create_connection((host, int(port)), REACHED).close()  # Ray would wait for minutes
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(f"executor.address: there is no Ray cluster at {address!r}; {_first_line(error)}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray takes it for itself
    try:
        yield
    finally:
        ray.shutdown()


@define(eq=False)
class _Queued(Queued):
    """A task that Ray has not ended.

    Attributes:
        demand: What it needs, by Ray's names.
        since: When a machine that has as much was seen.
        written: Bytes of its log when it was queued.
    """

    demand: Mapping[str, int] = field(kw_only=True)
    since: float = field(factory=time.monotonic)
    written: int = 0

    def __attrs_post_init__(self) -> None:
        """Remember how long the log is: it is longer when the task runs."""
        self.written = _size(self.task.log)

    def look(self, nodes: Nodes) -> bool:
        """Check whether it has begun and still may run; return whether it has waited for too long."""
        if _size(self.task.log) > self.written:
            self.begin()
        now = time.monotonic()
        if _fits(self.demand, nodes):
            self.since = now
        return now - self.since > LOST


class RayTasks(Watcher):
    """Tasks, watched until they end."""

    def __init__(self, settings: Ray) -> None:
        """Begin with none.

        Args:
            settings: What each task needs.
        """
        self._settings = settings
        self._queued: dict[Any, _Queued] = {}
        self._cancelled: dict[bool, set[Any]] = {False: set(), True: set()}
        super().__init__()

    def submit(self, task: Task) -> Future[int]:
        """Queue a task; it fails at once if no machine is large enough.

        Args:
            task: The task.
        """
        settings = self._settings
        demand = {"GPU": task.processes * settings.gpus, "CPU": task.processes * settings.cpus}
        queued = _Queued(task, demand=demand)
        nodes = _nodes()
        if not _fits(demand, nodes):
            queued.fail(_too_large(demand, nodes))
            return queued.future
        run = ray.remote(_run).options(
            name=task.name, num_cpus=demand["CPU"], num_gpus=demand["GPU"], max_retries=settings.retries
        )
        ref = run.remote(task, settings.patience, settings.environment)
        self._queued[ref] = queued
        queued.on_cancel(lambda: ray.cancel(ref))
        return queued.future

    @property
    def pause(self) -> float:
        """Seconds between two looks; a look waits by itself for tasks that end."""
        return PAUSE

    def ways(self) -> Iterator[tuple[Callable[[], None], float]]:
        """Interrupt the tasks, then kill their processes."""
        yield lambda: self._cancel(force=False), self._settings.patience + MARGIN
        yield lambda: self._cancel(force=True), MARGIN

    def abandon(self) -> None:
        """Settle what Ray did not end."""
        for ref in list(self._queued):
            self._settle(ref)

    def look(self, *, stopping: bool = False) -> int:
        """Wait a moment for tasks to end, and check those that do not."""
        refs = list(self._queued)
        try:
            for ref in ray.wait(refs, timeout=TICK)[0] if refs else ():
                self._settle(ref)
            nodes = _nodes() if self._queued and not stopping else []
            for ref, queued in list(self._queued.items()) if not stopping else ():
                if queued.look(nodes):
                    ray.cancel(ref)
                    self._queued.pop(ref).fail(_too_large(queued.demand, nodes))
        except Exception as error:  # noqa: BLE001 - whatever Ray says when its head is gone, nobody may wait for ever
            for ref in list(self._queued):
                self._queued.pop(ref).fail(f"is no longer known to Ray; {_first_line(error)}")
        return len(self._queued)

    def _cancel(self, *, force: bool) -> None:
        """Cancel each task once: an interrupted one that is interrupted again would end without a checkpoint."""
        for ref in self._queued.keys() - self._cancelled[force]:
            self._cancelled[force].add(ref)
            ray.cancel(ref, force=force)

    def _settle(self, ref: Any) -> None:  # noqa: ANN401 - Ray's
        """Settle the future of a task that has ended."""
        queued = self._queued.pop(ref)
        try:
            queued.end(ray.get(ref, timeout=0))
        except exceptions.TaskCancelledError:
            if not queued.future.cancel():
                queued.fail("was stopped")
        except exceptions.RayTaskError as error:
            queued.fail(str(error.cause))
        except exceptions.RayError as error:
            node = _last_node(queued.task.log)
            reason = _first_line(error).partition(". ")[0]
            queued.fail(f"was lost on node {node}, after {self._settings.retries} retries; {reason}")


def _run(task: Task, patience: float, environment: Mapping[str, str]) -> int:
    """Run a task on the machine that Ray chose; Ray interrupts it to stop it."""
    try:
        with task.log.open("a") as log:
            log.write(f"{HEADER}{ray.util.get_node_ip_address()}\n")
    except OSError as error:
        raise RunError(f"{error}; every machine must see the run folder at the same path") from error
    with Supervised(task, patience, environment) as supervised:
        try:
            return supervised.wait()
        except KeyboardInterrupt:
            supervised.stop()
            return supervised.wait()


def _nodes() -> Nodes:
    """Return the resources of each machine of the cluster."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _fits(demand: Mapping[str, int], nodes: Nodes) -> bool:
    return any(all(node.get(name, 0) >= count for name, count in demand.items()) for node in nodes)


def _too_large(demand: Mapping[str, int], nodes: Nodes) -> str:
    """Word what no machine has."""
    there = {", ".join(f"{node.get(name, 0):g} {name}" for name in demand) for node in nodes}
    needs = ", ".join(f"{count} {name}" for name, count in demand.items())
    return f"needs {needs} on one machine; there are machines of {' and '.join(sorted(there)) or 'nothing'}"


def _last_node(log: Path) -> str | None:
    """Read where a task ran at last."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    nodes = re.findall(f"^{HEADER}(.*)$", text, re.MULTILINE)
    return nodes[-1] if nodes else None


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
