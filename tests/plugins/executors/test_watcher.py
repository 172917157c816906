"""What watches tasks on other machines until they end."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from remgcl.plugins.executors.watcher import Watcher


class Tasks(Watcher):
    """Tasks that end when they are asked in one way, or never."""

    def __init__(self, ends_by: str = "", seconds: float = 0.2) -> None:
        """Begin with two."""
        self.left = {"a", "b"}
        self.told: list[str] = []
        self.seconds = seconds
        self.ends_by = ends_by
        super().__init__()

    @property
    def pause(self) -> float:
        """As short as may be."""
        return 0.01

    def look(self, *, stopping: bool = False) -> int:
        """Note the look."""
        self.told.append("stopping" if stopping else "look")
        return len(self.left)

    def ways(self) -> Iterator[tuple[Callable[[], None], float]]:
        """Ask, then kill."""
        for name in ("ask", "kill"):
            yield lambda name=name: self._end(name), self.seconds  # type: ignore[misc]

    def _end(self, name: str) -> None:
        self.told.append(name)
        if name == self.ends_by:
            self.left.clear()

    def abandon(self) -> None:
        """Note it."""
        self.told.append("abandon")


def test_tasks_are_looked_at_by_a_thread_until_they_are_stopped() -> None:
    tasks = Tasks("ask")
    while tasks.told.count("look") < 3:
        time.sleep(0.01)
    tasks.stop()
    assert tasks._watcher not in threading.enumerate()
    assert "look" not in tasks.told[tasks.told.index("stopping") :]


def test_tasks_that_end_when_they_are_asked_are_not_killed() -> None:
    tasks = Tasks("ask")
    tasks.stop()
    assert [word for word in tasks.told if word != "look"] == ["stopping", "ask", "stopping", "stopping", "abandon"]


def test_tasks_that_do_not_end_in_time_are_killed() -> None:
    tasks = Tasks("kill")
    began = time.monotonic()
    tasks.stop()
    assert time.monotonic() - began >= tasks.seconds
    words = [word for word in tasks.told if word not in {"look", "stopping"}]
    assert words[0] == "ask"
    assert words[-2:] == ["kill", "abandon"]


def test_tasks_that_nothing_ends_are_abandoned_in_time() -> None:
    tasks = Tasks()
    tasks.stop()
    assert (tasks.told[-1], tasks.left) == ("abandon", {"a", "b"})


def test_a_second_interrupt_leaves_no_more_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = Tasks("kill", seconds=60)
    end = tasks._end

    def interrupted(name: str) -> None:
        end(name)
        if name == "ask":
            raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "_end", interrupted)
    tasks.stop()
    assert [word for word in tasks.told if word not in {"look", "stopping"}] == ["ask", "kill", "abandon"]
