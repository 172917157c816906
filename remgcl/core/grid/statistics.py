"""What can be said of the cells of a grid: means over seeds, and paired differences to the baseline."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev

from attrs import evolve, frozen

from remgcl.core.grid.evaluations import asked_of, over_seeds_and_questions
from remgcl.core.grid.results import CellResult, GridResults

ERROR = 0.05
"""Share of intervals without the true value, and of equal cells that differ significantly by chance."""

LEAST = 3
"""Paired seeds below which no verdict is given."""

ROUNDING = 1e-9
"""Spread of differences, as a share of the values they are taken from, that is due to rounding."""


@frozen
class MeanInterval:
    """A mean over seeds and its interval.

    Attributes:
        mean: The mean; not a number without a seed.
        half: Half the width of the 95 % interval by Student's t; none for
            fewer than two seeds.
        count: Number of seeds.
    """

    mean: float
    half: float | None
    count: int

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Both ends of the interval; none for fewer than two seeds."""
        return None if self.half is None else (self.mean - self.half, self.mean + self.half)


@frozen
class Difference:
    """How a cell differs from the baseline, by the seeds that both have.

    Attributes:
        estimate: Mean of the differences and its interval, which is that of
            this cell alone. Half its width is how large a difference must be
            to be seen with so many seeds.
        spread: Whether the differences vary from seed to seed.
        p: p-value of the paired t-test; none for fewer than three paired
            seeds. Without a spread there is no t-test: p is 1 if all
            differences are zero, or else that of the sign test, 2^(1 - n).
        corrected: The same after Holm's correction over the cells compared,
            those that are the same counted once.
        same: Whether the cell is the baseline under another name, trained once
            for both; p is 1 then, and the correction leaves it out.
        over_questions: 95 % interval over seeds and the benchmark's questions;
            None where the metric is no mean over questions.
    """

    estimate: MeanInterval
    spread: bool
    p: float | None = None
    corrected: float | None = None
    same: bool = False
    over_questions: tuple[float, float] | None = None

    @property
    def distinguishable(self) -> bool | None:
        """Whether it is distinguishable from zero; None if that is undecided."""
        if self.corrected is None:
            return None
        if self.corrected < ERROR:
            return True
        return False if self.spread or self.p == 1 else None

    @property
    def verdict(self) -> str:
        """Say in words whether it is distinguishable from zero."""
        if self.same:
            return "the same cell"
        if self.corrected is None:
            return f"too few seeds to tell ({self.estimate.count} of at least {LEAST})"
        return {True: "yes", False: "no", None: "undecided: the same in every seed"}[self.distinguishable]


@frozen(kw_only=True)
class CellSummary:
    """All seeds of one cell, and what can be said of it.

    Attributes:
        label: Name of the cell.
        settings: Label of each axis to the label of the value.
        results: What came out, a result for each seed, in the order of seeds.
        estimates: Each metric to its mean.
        differences: Each metric to the difference to the baseline; empty for
            the baseline itself, and without a baseline.
        seconds: Mean time of the trainings that finished.
        samples_per_second: Mean pace of the same.
    """

    label: str
    settings: Mapping[str, str]
    results: tuple[CellResult, ...]
    estimates: Mapping[str, MeanInterval]
    differences: Mapping[str, Difference]
    seconds: float | None
    samples_per_second: float | None

    @property
    def states(self) -> str:
        """Count the seeds that finished, and the others by their state."""
        counts = Counter(result.state for result in self.results)
        done = counts.pop("finished", 0)
        if not counts:
            return str(done)
        return f"{done} of {len(self.results)} ({', '.join(f'{n} {state}' for state, n in sorted(counts.items()))})"


def summarize(results: GridResults) -> tuple[CellSummary, ...]:
    """Summarise each cell, in the order in which the cells appear.

    Args:
        results: What came out of the grid.
    """
    by_label: dict[str, list[CellResult]] = {}
    for result in results.cells:
        by_label.setdefault(result.label, []).append(result)
    compared = {metric: _compare(by_label, metric, results.baseline) for metric in results.metrics}
    return tuple(
        CellSummary(
            label=label,
            settings=held[0].settings,
            results=tuple(sorted(held, key=lambda result: result.seed)),
            estimates={metric: estimate(list(measured(held, metric).values())) for metric in results.metrics},
            differences={
                metric: differences[label] for metric, differences in compared.items() if label in differences
            },
            seconds=_mean(result.seconds for result in held if result.state == "finished"),
            samples_per_second=_mean(result.samples_per_second for result in held if result.state == "finished"),
        )
        for label, held in by_label.items()
    )


def measured(results: Sequence[CellResult], metric: str) -> dict[int, float]:
    """Return one cell's values by seed, for seeds that finished with a finite value.

    Args:
        results: All seeds of the cell.
        metric: Name of the metric.
    """
    return {
        result.seed: result.metrics[metric]
        for result in results
        if result.state == "finished" and math.isfinite(result.metrics.get(metric, math.nan))
    }


def estimate(values: Sequence[float]) -> MeanInterval:
    """Estimate a mean and its 95 % interval by Student's t with n - 1 degrees of freedom.

    Args:
        values: A value for each seed.
    """
    from scipy.stats import t

    count = len(values)
    half = None
    if count > 1:
        half = float(t.ppf(1 - ERROR / 2, count - 1)) * stdev(values) / math.sqrt(count)
    return MeanInterval(fmean(values) if values else math.nan, half, count)


def compare(cell: Mapping[int, float], baseline: Mapping[int, float]) -> Difference:
    """Compare a cell with the baseline, paired by seed and not yet corrected.

    Args:
        cell: The values by seed.
        baseline: The same of the baseline.
    """
    from scipy.stats import ttest_1samp

    seeds = sorted(cell.keys() & baseline.keys())
    differences = [cell[seed] - baseline[seed] for seed in seeds]
    found, count = estimate(differences), len(seeds)
    noise = ROUNDING * max((abs(values[seed]) for values in (cell, baseline) for seed in seeds), default=0.0)
    spread = count > 0 and max(differences) - min(differences) > noise
    if count < LEAST:
        return Difference(found, spread)
    if spread:
        p = float(ttest_1samp(differences, 0.0).pvalue)  # of differences, so it is paired
    else:
        p = 2.0 ** (1 - count) if abs(found.mean) > noise else 1.0
    return Difference(found, spread, p)


def holm(values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by the step-down method of Holm (1979).

    Args:
        values: The p-values.
    """
    corrected = [0.0] * len(values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = corrected[place] = max(least, min(1.0, (len(values) - rank) * values[place]))
    return corrected


def _compare(cells: Mapping[str, Sequence[CellResult]], metric: str, baseline: str | None) -> dict[str, Difference]:
    """Compare all cells with the baseline, and correct for their number."""
    if baseline is None:
        return {}
    true, trained = measured(cells.get(baseline, ()), metric), {label: _trained(cells[label]) for label in cells}
    asked = asked_of(cells.get(baseline, ()), metric)
    found = {
        label: evolve(
            compare(measured(results, metric), true),
            over_questions=over_seeds_and_questions(asked_of(results, metric), asked),
        )
        for label, results in cells.items()
        if label != baseline
    }
    same = {label for label in found if baseline in trained and trained[label] == trained[baseline]}
    tested = {trained[label]: each.p for label, each in found.items() if each.p is not None and label not in same}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {
        label: evolve(each, same=True, p=1.0, corrected=1.0)
        if label in same
        else evolve(each, corrected=corrected.get(trained[label]))
        for label, each in found.items()
    }


def _trained(results: Sequence[CellResult]) -> object:
    """Identify a cell by the stages trained for it, or by its name if they are unknown."""
    digests = {(result.seed, result.digest) for result in results}
    return frozenset(digests) if all(digest for _, digest in digests) else results[0].label


def _mean(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
