"""The contract of runners: where and how stages are trained."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from remgcl.core.extras import verify_installed
from remgcl.core.parts.part import Part

if TYPE_CHECKING:
    from remgcl.core.job import Job
    from remgcl.core.recipe import Recipe


@frozen(kw_only=True)
class Runner(Part):
    """Train the stages of a recipe on some machine.

    Attributes:
        trackers: Where a training can be watched; ``wandb`` needs the extra of
            that name.
    """

    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)

    def verify_trackers(self) -> None:
        """Make sure that the libraries of the trackers are there.

        Raises:
            RunError: One is not; the error says how to install it.
        """
        for name in self.trackers:
            verify_installed(name, f"tracker {name!r}", "remgcl[wandb]" if name == "wandb" else name)

    def verify(self, recipe: Recipe) -> None:
        """Make sure of what the settings name, without starting anything.

        Args:
            recipe: The recipe that it will run.

        Raises:
            RemgclError: A file is missing, or contradicts the recipe.
        """

    @abstractmethod
    def run(self, job: Job) -> None:
        """Train one stage and save its model.

        Args:
            job: The stage: its model, objective, data and folder.

        Raises:
            RunError: The stage cannot be finished.
        """
