"""Run the tasks of a grid on the machines of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt

from remgcl import Executor, Submit, verify_installed


@frozen(kw_only=True)
class Ray(Executor):
    """Run tasks on the machines of a Ray cluster.

    A task whose machine dies is run again on another, and resumes from its newest checkpoint. All
    machines must see the run folders at the same paths, and need the same Python with this project.

    Attributes:
        address: The cluster, as ``host:port``; ``auto`` is the cluster of this machine, ``local`` starts one
            on this machine that ends with the command.
        gpus: GPUs of each process; 0 on a cluster without GPUs.
        cpus: CPUs of each process, as Ray counts them.
        retries: How often a task is run again because its machine died.
        patience: Seconds that a task has to save a checkpoint when it is stopped.
        environment: Environment variables of every task.
    """

    requires: ClassVar[Mapping[str, str]] = {"ray": "remgcl[ray]", "psutil": "remgcl[ray]"}

    address: str = "auto"
    gpus: int = field(default=1, validator=ge(0))
    cpus: int = field(default=4, validator=ge(1))
    retries: int = field(default=3, validator=ge(0))
    patience: float = field(default=600.0, validator=gt(0))
    environment: dict[str, str] = field(factory=dict)

    def verify(self) -> None:
        """Verify that Ray is installed."""
        verify_installed("ray", "executor 'ray'", self.requires["ray"])

    @contextmanager
    def open(self) -> Iterator[Submit]:
        """Connect to the cluster."""
        from remgcl.plugins.executors.ray_tasks import RayTasks, connected

        self.verify()
        with connected(self.address):
            tasks = RayTasks(self)
            try:
                yield tasks.submit
            finally:
                tasks.stop()
