"""Event files for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from attrs import frozen

from remgcl import TrackedStage, Tracker


@frozen(kw_only=True)
class TensorBoard(Tracker):
    """Write event files into a folder of the stage, for `tensorboard --logdir RUN`.

    Attributes:
        folder: The folder, inside that of the stage.
    """

    requires: ClassVar[Mapping[str, str]] = {"tensorboard": "remgcl[tensorboard]"}

    folder: str = "tensorboard"

    def open(self, stage: TrackedStage, step: int) -> _Events:
        """Open an event file; what an interrupted training logged after the step is hidden."""
        return _Events(stage, self.folder, step)


class _Events:
    def __init__(self, stage: TrackedStage, folder: str, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(stage.folder / folder, purge_step=step + 1)

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
