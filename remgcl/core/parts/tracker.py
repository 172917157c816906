"""The contract of trackers: where a training can be watched."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from attrs import frozen

from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import is_a, returns, that


@frozen(kw_only=True)
class TrackedStage:
    """The stage that is trained, as far as it concerns those who watch.

    Attributes:
        run: The name of the recipe.
        stage: The stage's key.
        folder: Where the stage's files are.
        id: Names this training of the stage; a resumed training has the same one, a restarted one another.
        inputs: The inputs of the stage, as tables: parts, settings, data.
    """

    run: str
    stage: str
    folder: Path
    id: str
    inputs: Mapping[str, Any]


@runtime_checkable
class Tracking(Protocol):
    """Takes the numbers of one stage."""

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take the numbers of a log step.

        Args:
            step: The optimizer step.
            numbers: By name, such as ``global/loss``; losses in nats, rates in samples a second.
        """

    def close(self) -> None:
        """Write what is left; the stage has ended, or was interrupted."""


@frozen(kw_only=True)
class Tracker(Part):
    """Show the numbers of a training somewhere.

    It runs in the first process of a training only. What it raises is printed
    with its name, and the training continues without it.
    """

    table: ClassVar[str] = "[runner.trackers]"

    @abstractmethod
    @returns("an object with the methods add(step, numbers) and close()", that(is_a(Tracking)))
    def open(self, stage: TrackedStage, step: int) -> Tracking:
        """Begin to take the numbers of a stage, or resume.

        Args:
            stage: The stage.
            step: The optimizer step that the training starts from; numbers of
                later steps, logged before an interruption, will come again.
        """
