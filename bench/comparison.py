"""Two ways of doing the same, timed in turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median, quantiles

from attrs import frozen


@frozen
class Spread:
    """Repeated measurements of one quantity.

    Attributes:
        values: What was measured, in the order of measuring.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile; the value itself where there is only one."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def over(self, other: Spread) -> Spread:
        """Divide by another one, turn by turn, or by its median if it has another number of turns.

        Args:
            other: What to divide by.
        """
        if len(self.values) != len(other.values):
            return Spread(tuple(self.median / value for value in other.values))
        return Spread(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


@frozen(kw_only=True)
class Row:
    """A line of the report.

    Attributes:
        what: What is done.
        naive: Seconds of the plain way.
        ours: Seconds of remgcl.
        goal: The least ratio that is aimed for; none where there is no goal.
        added: Whether the goal is the most that may be added, as a share of the naive time.
        differences: In what the two ways differ, in words.
    """

    what: str
    naive: Spread
    ours: Spread
    goal: float | None
    added: bool = False
    differences: str = ""


def alternate(ways: Mapping[str, Callable[[], object]], turns: int, warm_up: int = 1) -> dict[str, Spread]:
    """Time several ways of doing the same, in turns, so that a busy moment hits all of them.

    Args:
        ways: What to call, by name.
        turns: How often each is timed.
        warm_up: How often each is called before.
    """
    gc.disable()  # as timeit does
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + turns):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            if turn >= warm_up:
                taken[name].append(time.perf_counter() - begun)
    gc.enable()
    return {name: Spread(tuple(values)) for name, values in taken.items()}
