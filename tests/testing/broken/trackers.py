"""Trackers that break one promise each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from remgcl import TrackedStage, Tracker
from remgcl.testing import conformance

FAILURES = {
    "Writes": {"it leaves the numbers as they are": "add: changes the numbers; work on a copy"},
    "Needy": {"a stage without a log step can be tracked": "close: raises ValueError('no number came'), from step 0"},
    "Closed": {
        "it takes numbers and is closed": "must return an object with the methods add(step, numbers) and close()",
        "it leaves the numbers as they are": "",
        "a resumed stage can be tracked": "",
        "a stage without a log step can be tracked": "",
    },
    "Once": {"a resumed stage can be tracked": "open: raises ValueError('is open already'), from step 2, with 1 lines"},
}
"""What each fails, and in which words."""


class Taking:
    """Takes numbers, or does something wrong."""

    def __init__(self, broken: str, step: int) -> None:
        """Begin."""
        self.broken, self.step, self.taken = broken, step, 0

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take them."""
        del step
        self.taken += 1
        if self.broken == "Writes":
            numbers.clear()  # type: ignore[attr-defined]

    def close(self) -> None:
        """End."""
        if self.broken == "Needy" and not self.taken:
            raise ValueError("no number came")


@frozen(kw_only=True)
class Good(Tracker):
    """Take numbers."""

    def open(self, stage: TrackedStage, step: int) -> Taking:
        """Begin."""
        del stage
        return Taking(type(self).__name__, step)


@frozen(kw_only=True)
class Writes(Good):
    """Change the numbers."""


@frozen(kw_only=True)
class Needy(Good):
    """Be lost without a number."""


@frozen(kw_only=True)
class Closed(Good):
    """Return nothing that takes numbers."""

    def open(self, stage: TrackedStage, step: int) -> Any:  # noqa: ANN401 - what is wrong about it
        """Begin."""
        return stage.run, step


@frozen(kw_only=True)
class Once(Good):
    """Refuse to be resumed."""

    def open(self, stage: TrackedStage, step: int) -> Taking:
        """Begin."""
        if step:
            raise ValueError("is open already")
        return super().open(stage, step)


TestGood = conformance(Good())
TestWrites = conformance(Writes())
TestNeedy = conformance(Needy())
TestClosed = conformance(Closed())
TestOnce = conformance(Once())
