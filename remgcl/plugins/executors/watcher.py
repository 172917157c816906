"""Tasks on other machines, watched by a thread until they end."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator


class Watcher(ABC):
    """Looks at tasks now and then, and ends them when nobody wants them any more.

    A subclass must be ready before it calls `__init__`.
    """

    def __init__(self) -> None:
        """Begin to look."""
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    @abstractmethod
    def pause(self) -> float:
        """Seconds between two looks."""

    @abstractmethod
    def look(self, *, stopping: bool = False) -> int:
        """Settle the futures of the tasks that ended.

        Args:
            stopping: Whether tasks that have not begun never will.

        Returns:
            How many tasks are left.
        """

    @abstractmethod
    def ways(self) -> Iterator[tuple[Callable[[], None], float]]:
        """Return the steps to end the remaining tasks, the mildest first, and the seconds that each may take.

        Each is called after every look that finds a task left.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Settle the futures of the tasks that no way could end."""

    def stop(self) -> None:
        """Have all tasks keep a checkpoint and end; kill what does not."""
        self._ended.set()
        for end_tasks, seconds in self.ways():
            end = time.monotonic() + seconds
            try:
                self._watcher.join()
                while self.look(stopping=True) and time.monotonic() < end:
                    end_tasks()
                    time.sleep(self.pause)
            except KeyboardInterrupt:  # a second Ctrl-C: no more patience
                continue
        self.abandon()

    def _watch(self) -> None:
        while not self._ended.wait(self.pause):
            self.look()
