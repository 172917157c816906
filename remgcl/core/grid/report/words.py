"""How a report of a grid writes numbers, the same in every format."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import frozen

from remgcl.core.grid.statistics import MeanInterval
from remgcl.core.tables.words import NOTHING

DIGITS = 4
"""Digits of the largest value of a metric that is no share."""

NO_SHARES = ("terms.", "seconds", "samples")
"""How metrics begin that are no share, however small."""

MINUTE, HOUR = 60, 3600


@frozen
class Scale:
    """How the values of one metric are written.

    Attributes:
        share: Whether it is one, so that it is written in percent.
        decimals: How many decimals.
    """

    share: bool
    decimals: int

    @classmethod
    def of(cls, metric: str, values: Iterable[float]) -> Scale:
        """Choose how to write a metric: in percent, if all values lie in [0, 1] and it is no loss, time or number.

        Args:
            metric: Its name.
            values: All its values.
        """
        known = list(values)
        if known and all(0 <= value <= 1 for value in known) and not metric.startswith(NO_SHARES):
            return cls(share=True, decimals=1)
        largest = max(map(abs, known), default=0.0)
        return cls(share=False, decimals=max(0, DIGITS - 1 - math.floor(math.log10(largest))) if largest else 0)

    @property
    def factor(self) -> int:
        """What a value is multiplied by."""
        return 100 if self.share else 1

    @property
    def unit(self) -> str:
        """What stands behind the name of the metric."""
        return " (%)" if self.share else ""

    @property
    def points(self) -> str:
        """What stands behind a difference in a sentence."""
        return " points" if self.share else ""

    def value(self, value: float) -> str:
        """Write a value.

        Args:
            value: The value.
        """
        return f"{value * self.factor:z,.{self.decimals}f}".replace("-", "\N{MINUS SIGN}")

    def signed(self, value: float) -> str:
        """Write a difference, with its sign.

        Args:
            value: The difference.
        """
        return f"{value * self.factor:+z,.{self.decimals}f}".replace("-", "\N{MINUS SIGN}")

    def mean(self, estimate: MeanInterval) -> str:
        """Write a mean and half the width of its interval.

        Args:
            estimate: Both.
        """
        if not estimate.count:
            return NOTHING
        half = "" if estimate.half is None else f" ± {self.value(estimate.half)}"
        return self.value(estimate.mean) + half

    def difference(self, estimate: MeanInterval) -> str:
        """Write a difference and its interval.

        Args:
            estimate: Both.
        """
        if not estimate.count:
            return NOTHING
        bounds = estimate.bounds
        interval = "" if bounds is None else f" [{', '.join(map(self.signed, bounds))}]"
        return self.signed(estimate.mean) + interval


def duration(seconds: float) -> str:
    """Write a time in the unit that fits it.

    Args:
        seconds: The time.
    """
    if seconds >= HOUR:
        return f"{seconds / HOUR:,.1f} h"
    return f"{seconds / MINUTE:.1f} min" if seconds >= MINUTE else f"{seconds:.1f} s"


def pace(samples_per_second: float) -> str:
    """Write a pace, with three digits at least.

    Args:
        samples_per_second: The pace.
    """
    return f"{samples_per_second:,.0f}" if samples_per_second >= 100 else f"{samples_per_second:.3g}"  # noqa: PLR2004 - three digits
