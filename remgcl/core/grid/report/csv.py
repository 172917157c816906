"""A report's figures in full precision: a file of the runs, and one of the cells."""

from __future__ import annotations

from collections.abc import Sequence

from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import CellSummary, MeanInterval
from remgcl.core.tables.csv import csv_of


def runs(results: GridResults) -> str:
    """Write a row for each cell and seed.

    Args:
        results: What came out of the grid.
    """
    head = ["cell", *(f"axis.{axis}" for axis in results.axes), "seed", "state"]
    head += [*(f"metric.{metric}" for metric in results.metrics), "seconds", "samples_per_second", "error"]
    return csv_of(
        head,
        (
            [
                result.label,
                *(result.settings.get(axis) for axis in results.axes),
                result.seed,
                result.state,
                *(result.metrics.get(metric) for metric in results.metrics),
                result.seconds,
                result.samples_per_second,
                result.error,
            ]
            for result in results.cells
        ),
    )


def summary(results: GridResults, cells: Sequence[CellSummary]) -> str:
    """Write a row for each cell and metric.

    Args:
        results: What came out of the grid.
        cells: What can be said of each cell.
    """
    head = ["cell", *(f"axis.{axis}" for axis in results.axes), "metric", "seeds", "mean", "low", "high"]
    head += ["paired_seeds", "difference", "difference_low", "difference_high", "p", "p_holm", "distinguishable"]
    head += ["over_seeds_and_questions_low", "over_seeds_and_questions_high"]
    head += ["seconds", "samples_per_second"]
    return csv_of(head, (_row(results, cell, metric) for cell in cells for metric in results.metrics or ("",)))


def _row(results: GridResults, cell: CellSummary, metric: str) -> list[object]:
    row: list[object] = [cell.label, *(cell.settings.get(axis) for axis in results.axes), metric]
    row += _numbers(cell.estimates.get(metric))
    difference = cell.differences.get(metric)
    row += _numbers(difference.estimate if difference else None)
    row += [difference.p, difference.corrected, difference.verdict] if difference else [None, None, None]
    row += (difference.over_questions if difference else None) or (None, None)
    return [*row, cell.seconds, cell.samples_per_second]


def _numbers(estimate: MeanInterval | None) -> list[object]:
    """Write count, mean and both ends of the interval, as far as they are there."""
    if estimate is None or not estimate.count:
        return [0, None, None, None]
    return [estimate.count, estimate.mean, *(estimate.bounds or (None, None))]
