"""Where a training can be watched: TensorBoard, Weights & Biases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from remgcl.core.training.job import Job


class Tracker(ABC):
    """Takes the lines of a stage's metrics."""

    @abstractmethod
    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take a line.

        Args:
            step: Its optimizer step.
            numbers: Its numbers by name.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class TensorBoard(Tracker):
    """Writes event files into the stage's folder."""

    def __init__(self, job: Job, step: int) -> None:
        """Begin, or go on: what an interrupted training told after the step is taken back.

        Args:
            job: The stage.
            step: The optimizer step it goes on from.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(job.folder.path / "tensorboard", purge_step=step + 1)

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write a line out at once."""
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class Wandb(Tracker):
    """Sends to Weights & Biases, a run for each stage; an interrupted one is gone on with."""

    def __init__(self, job: Job, step: int) -> None:
        """Begin, or go on: the service leaves out steps that it has already.

        Args:
            job: The stage.
            step: The optimizer step it goes on from.
        """
        del step
        import wandb

        self._run = wandb.init(
            project=job.recipe.name,
            name=job.name,
            id=job.folder.checkpoints.run,
            resume="allow",
            dir=job.folder.path,
            config=dict(job.inputs),
        )

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        """Send a line."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Mark the run as finished."""
        self._run.finish()


TRACKERS: dict[str, Callable[[Job, int], Tracker]] = {"tensorboard": TensorBoard, "wandb": Wandb}
"""The trackers by the names that a recipe gives them."""


def numbers_of(line: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, float]]:
    """Name every number of a line of metrics but its step: ``global/loss``.

    Args:
        line: The line, or a table in it.
        name: What the names of its numbers start with.
    """
    for key, value in line.items():
        if isinstance(value, Mapping):
            yield from numbers_of(value, "" if key == "terms" else f"{name}{key}/")
        elif value is not None and key != "step":
            yield f"{name}{key}", value
