"""A task that waits or runs on another machine, and its future."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from attrs import define, field

from remgcl import RunError, Task


@define(eq=False)
class Queued:
    """A task and its future.

    Attributes:
        task: The task.
        future: Its future; it can be cancelled until `begin`.
    """

    task: Task
    future: Future[int] = field(factory=Future)

    def on_cancel(self, withdraw: Callable[[], object]) -> None:
        """Have something done when the future is cancelled.

        Args:
            withdraw: Takes the task back.
        """

        def ended(future: Future[int]) -> None:
            if future.cancelled():
                future.set_running_or_notify_cancel()  # wakes up who waits for it
                withdraw()

        self.future.add_done_callback(ended)

    def begin(self) -> bool:
        """Mark it as running; return whether it is still wanted."""
        if self.future.running():
            return True
        return not self.future.cancelled() and self.future.set_running_or_notify_cancel()

    def end(self, code: int) -> None:
        """Mark it as ended.

        Args:
            code: Its exit code.
        """
        if self.begin():
            self.future.set_result(code)

    def fail(self, reason: str) -> None:
        """Mark it as not completed.

        Args:
            reason: Where and why.
        """
        if self.begin():
            self.future.set_exception(RunError(f"executor: task {self.task.name!r} {reason}"))
