"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from attrs import frozen

from remgcl import TrackedStage, Tracker


@frozen(kw_only=True)
class Wandb(Tracker):
    """Log to Weights & Biases, one run for each stage; the run of an interrupted stage is resumed.

    Attributes:
        project: The project; by default the recipe's name.
        entity: The user or team; by default that of the account.
        group: Groups runs, such as those of a grid.
        tags: Tags of the run.
        mode: Whether to send at once (``online``), to keep for `wandb sync` (``offline``), or to do nothing
            (``disabled``).
    """

    requires: ClassVar[Mapping[str, str]] = {"wandb": "remgcl[wandb]"}

    project: str | None = None
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["online", "offline", "disabled"] | None = None

    def open(self, stage: TrackedStage, step: int) -> _Run:
        """Begin or resume the stage's run; the service leaves out steps that it has already."""
        del step
        import wandb

        return _Run(
            wandb.init(
                project=self.project or stage.run,
                entity=self.entity,
                group=self.group,
                tags=self.tags or None,
                mode=self.mode,
                name=stage.stage,
                id=stage.id,
                resume="allow",
                dir=stage.folder,
                config=dict(stage.inputs),
            )
        )


class _Run:
    def __init__(self, run: Any) -> None:  # noqa: ANN401 - wandb is not typed
        self._run = run

    def add(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()
