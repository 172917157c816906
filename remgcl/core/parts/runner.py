"""The contract of runners: where and how stages are trained."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from attrs import frozen

from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import instance, is_a, returns, whole
from remgcl.core.parts.tracker import Tracker


@frozen(kw_only=True)
class Layout:
    """How a runner spreads a training, as far as it knows before it starts.

    A training holds ``weights``, ``gradients`` and the state of the ``optimizer``.

    Attributes:
        processes: Processes over all machines, one a GPU; None if that is
            known only where it runs.
        sharded: Which of these each process holds its share of.
        offloaded: Which of these are held in the memory of the CPUs.
        gathered: Most sharded parameters that a GPU holds whole at once.
        casts: Whether weights and gradients are held in the stage's precision,
            with a float32 copy in the optimizer; otherwise in float32.
    """

    processes: int | None = 1
    sharded: tuple[str, ...] = ()
    offloaded: tuple[str, ...] = ()
    gathered: int = 0
    casts: bool = False


def _is_state(kinds: object) -> bool:
    return isinstance(kinds, tuple | list) and {*kinds} <= {"weights", "gradients", "optimizer"}


@frozen(kw_only=True)
class Runner(Part):
    """Train the stages of a recipe on some machine.

    Attributes:
        trackers: Trackers of the training; each is the name of a tracker
            or a table of one.
    """

    trackers: tuple[Tracker, ...] = ()

    def verify(self, recipe: Any) -> None:  # noqa: ANN401 - a `remgcl.Recipe`, which lies above the contracts
        """Verify what the settings name, without starting anything.

        Args:
            recipe: The `remgcl.Recipe` that it will run.

        Raises:
            RemgclError: A file is missing, or contradicts the recipe.
        """

    @returns(
        "a Layout: at least 1 process or None; of weights, gradients and optimizer, what is sharded and offloaded",
        instance(
            Layout,
            {
                "processes": lambda count: count is None or whole(1)(count),
                "sharded": _is_state,
                "offloaded": _is_state,
                "gathered": whole(),
                "casts": is_a(bool),
            },
        ),
    )
    def layout(self) -> Layout:
        """Return how a training is distributed, for estimates; by default it is one process."""
        return Layout()

    @abstractmethod
    def run(self, job: Any) -> None:  # noqa: ANN401 - a `remgcl.Job`, which lies above the contracts
        """Train one stage and save its model.

        What it hands to `job.finish` as results is its own. The reports of
        grids read, where they are there: `exact_match` or what the validation's
        metric is called, a number or a table with `before` and `after`; `terms`,
        a table of each term with `first` and `last`; and the numbers `seconds`,
        `samples` and `samples_per_second`.

        Args:
            job: The stage as a `remgcl.Job`: its model, objective, data and folder.

        Raises:
            RunError: The stage cannot be finished.
        """
