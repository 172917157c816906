"""Tasks of a grid that wait or run as jobs of Slurm."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import submitit
from attrs import define, field
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

from remgcl import Task
from remgcl.plugins.executors.queued import Queued
from remgcl.plugins.executors.slurm import Slurm
from remgcl.plugins.executors.slurm_attempt import STOP, Attempt
from remgcl.plugins.executors.watcher import Watcher

POLL = 5.0
"""Seconds between two checks of the queue."""

LATE = 30.0
"""Seconds that the file system may need to show what a job left, and Slurm to queue it again."""

MARGIN = 60.0
"""Seconds that Slurm has to end a job, beyond its patience."""

FAULTS = 60
"""Looks at a job in a row that may go wrong, as a file system or a queue that is unwell makes them."""

COLUMNS = "%A|%T|%R|%j"
"""Columns of the queue: a job's number, its state, why it waits or where it runs, and its name."""

PENDING, GONE = "PENDING", "GONE"

ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", GONE}
"""States of jobs that will not run again."""

NEVER = {"BadConstraints", "InvalidAccount", "InvalidQOS", "PartitionNodeLimit", "PartitionTimeLimit"}
"""Reasons of pending jobs that time does not cure."""


@define(eq=False)
class _Job(Queued):
    """A task that Slurm has not ended.

    Attributes:
        job: What submitit knows of it.
        ended: When it was first seen to have ended.
        faults: Number of failed checks in a row.
    """

    job: Any = field(kw_only=True)
    ended: float | None = None
    faults: int = 0

    def guarded_look(self, state: str, reason: str) -> bool:
        """Look, and bear what goes wrong for a while; then it fails, for nobody may wait for ever."""
        try:
            over = self.look(state, reason)
        except Exception as error:  # noqa: BLE001 - a stale file handle, half a file: the next look may find it whole
            self.faults += 1
            if self.faults < FAULTS:
                return False
            _scancel([self.job.job_id])
            self.fail(f"cannot be watched, job {self.job.job_id} was cancelled; {str(error) or repr(error)}")
            return True
        self.faults = 0
        return over

    def look(self, state: str, reason: str) -> bool:
        """Take in the state of the queue; return whether the job has ended."""
        if self.job.paths.result_pickle.exists():
            try:
                told_at_last = self.job.result()
            except UncompletedJobError:
                told_at_last = f"failed on its machine; {self.job.paths.stderr} says why"
            self.fail(told_at_last) if isinstance(told_at_last, str) else self.end(told_at_last)
            return True
        if state == PENDING and reason in NEVER:
            self.fail(f"will never run; Slurm says {reason}")
            return True
        if state not in ENDED:
            self.ended = None
            return state != PENDING and not self.begin()
        self.ended = self.ended or time.monotonic()
        if time.monotonic() - self.ended <= LATE:
            return False
        self.fail(
            f"was lost, job {self.job.job_id}; Slurm says {state}, {reason}; {self.job.paths.stderr} may say more"
        )
        return True


class SlurmJobs(Watcher):
    """Jobs, watched until they end."""

    def __init__(self, settings: Slurm) -> None:
        """Begin with none.

        Args:
            settings: What each job needs.
        """
        self._settings = settings
        self._jobs: dict[str, _Job] = {}
        super().__init__()

    def submit(self, task: Task) -> Future[int]:
        """Queue a job, or watch the one that a command that was killed left; it fails at once if Slurm refuses it.

        Args:
            task: The task.
        """
        try:
            job = _left(task) or self._submitted(task)
        except (FailedJobError, FailedSubmissionError) as error:
            refused = Queued(task)
            refused.fail(f"was refused by Slurm; {_last_line(str(error))}")
            return refused.future
        queued = self._jobs[job.job_id] = _Job(task, job=job)
        queued.on_cancel(lambda: _scancel([job.job_id]))
        return queued.future

    def _submitted(self, task: Task) -> submitit.Job[int | str]:
        settings = self._settings
        executor = submitit.AutoExecutor(_folder(task), cluster="slurm", slurm_max_num_timeout=settings.retries)
        wanted = {
            "slurm_job_name": task.name,
            "slurm_partition": settings.partition,
            "slurm_account": settings.account,
            "timeout_min": settings.time,
            "gpus_per_node": task.processes * settings.gpus or None,
            "cpus_per_task": task.processes * settings.cpus,
            "mem_gb": settings.memory,
            "slurm_signal_delay_s": settings.patience,
            "slurm_additional_parameters": settings.extra,
        }
        executor.update_parameters(**{name: value for name, value in wanted.items() if value is not None})
        return executor.submit(Attempt(task, settings.patience))

    @property
    def pause(self) -> float:
        """Seconds between two checks of the queue."""
        return POLL

    def ways(self) -> Iterator[tuple[Callable[[], None], float]]:
        """Signal the jobs, then cancel them."""
        yield lambda: _ask(self._jobs), self._settings.patience + MARGIN
        yield lambda: _scancel(self._jobs), MARGIN

    def abandon(self) -> None:
        """Abandon jobs that Slurm does not end."""
        for name, job in self._jobs.items():
            job.fail(f"does not end; job {name} was cancelled")

    def look(self, *, stopping: bool = False) -> int:
        """Look at the queue, and settle the futures of jobs that ended."""
        states = _states() if self._jobs else {}
        if states is not None:
            for name, job in list(self._jobs.items()):
                state, reason, _ = states.get(name, (GONE, "nothing", ""))
                if stopping and state in ENDED and not job.future.running():
                    job.future.cancel()
                if job.future.cancelled() or job.guarded_look(state, reason):
                    if state == PENDING:
                        _scancel([name])
                    del self._jobs[name]
        return len(self._jobs)


def _folder(task: Task) -> Path:
    """Name the folder of what submitit keeps."""
    return task.log.parent / "slurm"


def _left(task: Task) -> submitit.Job[int | str] | None:
    """Find the job of a task that an earlier command submitted, and that still waits or runs.

    Raises:
        FailedSubmissionError: Slurm does not say; there might be two.
    """
    submitted = [file.name.partition("_")[0] for file in _folder(task).glob("*_submission.sh")]
    states = _states() if submitted else {}
    if states is None:
        raise FailedSubmissionError("squeue does not answer")
    for number in submitted:
        state, _, name = states.get(number, (GONE, "", ""))
        job = submitit.SlurmJob[int | str](_folder(task), number)
        if name == task.name and state not in ENDED and not job.paths.result_pickle.exists():
            return job
    return None


def _states() -> Mapping[str, tuple[str, str, str]] | None:
    """Ask Slurm for the user's jobs: state, reason or machine, and name of each; None if it does not answer."""
    command = ["squeue", "--me", "--states=all", "--noheader", f"--format={COLUMNS}"]
    try:
        asked = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")  # noqa: S603 - Slurm's
    except OSError:
        return None
    if asked.returncode:
        return None
    rows = [line.split("|", 3) for line in asked.stdout.splitlines() if line.count("|") >= COLUMNS.count("|")]
    return {number: (state, reason.strip("()"), name) for number, state, reason, name in rows}


def _ask(names: Iterable[str]) -> None:
    """Ask jobs to stop; those that have not begun never will."""
    _scancel(names, "--state=PENDING")
    _scancel(names, "--state=RUNNING", f"--signal={STOP.name.removeprefix('SIG')}")


def _scancel(names: Iterable[str], *options: str) -> None:
    command = ["scancel", "--quiet", *options, *names]
    with suppress(OSError):  # it is asked again
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - Slurm's


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip("- ")]
    return lines[-1].strip() if lines else "it says nothing"
