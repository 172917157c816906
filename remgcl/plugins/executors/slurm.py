"""Run the tasks of a grid as jobs of Slurm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt, optional

from remgcl import Executor, RunError, Submit, verify_installed

COMMANDS = ("sbatch", "scancel", "squeue", "srun")


@frozen(kw_only=True)
class Slurm(Executor):
    """Run tasks as jobs of Slurm, by submitit.

    A job that is preempted, whose time runs out or whose machine dies is queued again, and resumes
    from its newest checkpoint. All machines must see the run folders and this Python at the same
    paths.

    Attributes:
        partition: The partition of the jobs; by default Slurm's own default.
        account: The account that the jobs are charged to.
        time: Time limit of a job in minutes; after it the job is queued again.
        gpus: GPUs of each process; 0 on a cluster without GPUs.
        cpus: CPUs of each process.
        memory: Memory of a job in GiB; by default Slurm's own default.
        retries: How often a job is queued again because its time ran out.
        patience: Seconds that a task has to save a checkpoint when it is stopped, and before its time runs out.
        extra: More options of ``sbatch``, such as ``constraint`` and ``qos``.
    """

    requires: ClassVar[Mapping[str, str]] = {"submitit": "remgcl[slurm]", "psutil": "remgcl[slurm]"}

    partition: str | None = None
    account: str | None = None
    time: int = field(default=1440, validator=ge(1))
    gpus: int = field(default=1, validator=ge(0))
    cpus: int = field(default=4, validator=ge(1))
    memory: float | None = field(default=None, validator=optional(gt(0)))
    retries: int = field(default=3, validator=ge(0))
    patience: int = field(default=600, validator=ge(1))
    extra: dict[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Verify that a job has time to train."""
        if self.patience >= 60 * self.time:
            raise ValueError(f"patience: {self.patience} s must be less than the time of a job, {self.time} minutes")

    def verify(self) -> None:
        """Verify that submitit and the commands of Slurm are installed."""
        verify_installed("submitit", "executor 'slurm'", self.requires["submitit"])
        absent = [name for name in COMMANDS if shutil.which(name) is None]
        if absent:
            raise RunError(
                f"executor 'slurm': there is no command {absent[0]!r} on this machine; is it one of Slurm's?"
            )

    @contextmanager
    def open(self) -> Iterator[Submit]:
        """Watch the jobs that are submitted."""
        self.verify()
        from remgcl.plugins.executors.slurm_jobs import SlurmJobs

        jobs = SlurmJobs(self)
        try:
            yield jobs.submit
        finally:
            jobs.stop()
