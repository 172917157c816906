"""A task as Slurm runs it: on its machine, and once more after an interruption."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from remgcl import RunError, Task
from remgcl.plugins.executors.supervised import Supervised

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

STOP = signal.SIGURG
"""What a job is stopped by: Slurm sends it to every process of the job, and this one others do not mind."""


@define
class Attempt:
    """What submitit runs.

    Attributes:
        task: The task.
        patience: Seconds that it has to keep a checkpoint.
    """

    task: Task
    patience: float
    _supervised: Supervised | None = field(default=None, init=False)

    def __call__(self) -> int | str:
        """Run the task, and give its exit code, or why it was not run to its end."""
        try:
            with Supervised(self.task, self.patience, {}) as supervised:
                self._supervised = supervised
                signal.signal(STOP, lambda *_: self._stop())
                return supervised.wait()
        except RunError as error:
            return str(error)

    def checkpoint(self) -> DelayedSubmission:
        """Have the task keep a checkpoint, and say what to run next; submitit calls it before the time runs out."""
        from submitit.helpers import DelayedSubmission

        supervised = self._supervised
        self._stop()
        if supervised is not None:
            with suppress(RunError):
                supervised.wait()
        return DelayedSubmission(Attempt(self.task, self.patience))

    def _stop(self) -> None:
        """Ask the task to stop, and not again: the second time it would end at once."""
        if self._supervised is not None:
            self._supervised.stop()
            self._supervised = None
