"""The tables of a report, a row for each cell, before they are Markdown, LaTeX or HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from remgcl.core.grid.report.words import Scale, duration, pace
from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import CellSummary, Difference, MeanInterval
from remgcl.core.tables.table import Entry, Table
from remgcl.core.tables.words import probability

COMPARED = ("difference", "seen from", "p (Holm)", "distinguishable")
"""Heads of the columns of a comparison."""

OVER = "over seeds and questions"
"""Head of the interval of a difference over both."""


def tables_of(results: GridResults, cells: Sequence[CellSummary], scales: Mapping[str, Scale]) -> tuple[Table, ...]:
    """Make a table of each metric; the first holds the costs as well.

    Args:
        results: What came out of the grid.
        cells: What can be said of each cell.
        scales: How each metric is written.
    """
    tables = []
    for metric in results.metrics or ("",):
        asked = any(each.differences[metric].over_questions for each in cells if metric in each.differences)
        rows = [
            _named(cell, results.baseline)
            | (_measured(metric, scales[metric], cell, results.baseline) if metric else {})
            | ({OVER: _over(scales[metric], cell.differences.get(metric))} if asked else {})
            | (_cost(cell) if metric in ("", *results.metrics[:1]) else {})
            for cell in cells
        ]
        tables.append(
            Table(metric or "cost", tuple(rows[0]) if rows else (), tuple(tuple(row.values()) for row in rows))
        )
    return tuple(tables)


def _named(cell: CellSummary, baseline: str | None) -> dict[str, Entry]:
    label = f"{cell.label} (baseline)" if cell.label == baseline else cell.label
    finished = sum(result.state == "finished" for result in cell.results)
    return {"cell": Entry(label), "seeds": Entry(cell.states, finished)}


def _measured(metric: str, scale: Scale, cell: CellSummary, baseline: str | None) -> dict[str, Entry]:
    """Write a mean, and the difference to the baseline if there is one."""
    found, difference = cell.estimates[metric], cell.differences.get(metric)
    row = {metric + scale.unit: Entry(scale.mean(found), _order(found))}
    if difference is None:
        return row if baseline is None else row | dict.fromkeys(COMPARED, Entry())
    paired, p = difference.estimate, difference.corrected
    fewer = f" ({paired.count} paired)" if 0 < paired.count < found.count else ""
    seen = paired.half if difference.spread else None
    entries = (
        Entry(scale.difference(paired) + fewer, _order(paired)),
        Entry() if seen is None else Entry(scale.value(seen), seen),
        Entry() if p is None else Entry(probability(p), p),
        Entry(difference.verdict, strong=difference.distinguishable is True),
    )
    return row | dict(zip(COMPARED, entries, strict=True))


def _over(scale: Scale, difference: Difference | None) -> Entry:
    """Write the interval of a difference over seeds and questions."""
    found = difference.over_questions if difference else None
    if found is None:
        return Entry()
    return Entry(f"[{', '.join(map(scale.signed, found))}]", found[0], strong=found[0] > 0 or found[1] < 0)


def _order(estimate: MeanInterval) -> float | None:
    return estimate.mean if estimate.count else None


def _cost(cell: CellSummary) -> dict[str, Entry]:
    """Write the means over the seeds that finished."""
    time, speed = cell.seconds, cell.samples_per_second
    return {
        "training time": Entry() if time is None else Entry(duration(time), time),
        "samples/s": Entry() if speed is None else Entry(pace(speed), speed),
    }
