"""What a report of a grid says, before it is Markdown, LaTeX or HTML."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from remgcl.core.grid.report_table import Table, tables_of
from remgcl.core.grid.report_words import Scale, listed, probability
from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import Cell, Difference, measured, summarize

MEAN = (
    "Mean ± half the width of its 95 % interval over seeds, by Student's t with n - 1 degrees of freedom; one seed has "
    "no interval."
)

COMPARED = (
    "Differences are paired by seed: only seeds count that both the cell and the baseline have. In brackets is the 95 % "
    "interval of this cell alone; 'seen from' is half its width: with so many seeds, smaller differences cannot be seen.",
    "p is of the paired t-test, after Holm's correction over the compared cells of its table. "
    "A difference is distinguishable from zero if p is below 0.05. With fewer than 3 paired seeds no verdict is given.",
    "Where the difference is the same in every seed, there is no spread for a t-test. Then p is that of the sign test, "
    "2^(1 - n), before the correction; and it is 1 if all differences are zero.",
)


@frozen(kw_only=True)
class Content:
    """What a report says.

    Attributes:
        name: Name of the grid.
        cells: What can be said of each cell.
        scale: How the first metric is written; none if nothing was measured.
        findings: What was found by the first metric, a sentence each.
        tables: A table for each metric.
        left_out: What of which run does not count, and why.
        method: How to read the tables, a sentence or two each.
    """

    name: str
    cells: tuple[Cell, ...]
    scale: Scale | None
    findings: tuple[str, ...]
    tables: tuple[Table, ...]
    left_out: tuple[str, ...]
    method: tuple[str, ...]


def content_of(results: GridResults) -> Content:
    """Say what came out of a grid.

    Args:
        results: What came out.
    """
    cells = summarize(results)
    scales = {
        metric: Scale.of(value for result in results.cells for value in measured([result], metric).values())
        for metric in results.metrics
    }
    return Content(
        name=results.name,
        cells=cells,
        scale=scales[results.metrics[0]] if results.metrics else None,
        findings=tuple(_findings(results, cells, scales)),
        tables=tables_of(results, cells, scales),
        left_out=tuple(_left_out(results, cells)),
        method=tuple(_method(results, cells)),
    )


def _findings(results: GridResults, cells: Sequence[Cell], scales: Mapping[str, Scale]) -> Iterator[str]:
    """Say in sentences what was found by the first metric."""
    states = Counter(result.state for result in results.cells)
    counts = [f"{states[state]} {state}" for state in sorted(states, key=lambda state: (state != "finished", state))]
    yield f"{_plural(len(cells), 'cell')}, {_plural(len(results.cells), 'run')}: {', '.join(counts) or 'none'}."
    if not results.metrics:
        yield "Nothing was measured."
        return
    metric = results.metrics[0]
    missing = [cell for cell in cells if metric not in cell.estimates]
    if missing:
        yield f"No finished seed that measured {metric}: {listed(cell.label for cell in missing)}."
    if results.baseline is None:
        yield "No cell is named as the baseline, so there are no differences."
        return
    compared = {cell.label: cell.differences[metric] for cell in cells if metric in cell.differences}
    yield from _verdicts(compared, f"the baseline {results.baseline!r} in {metric}", scales[metric])


def _verdicts(compared: Mapping[str, Difference], baseline: str, scale: Scale) -> Iterator[str]:
    """Say which cells differ from the baseline, which do not as far as can be seen, and which cannot be told."""
    for label, found in compared.items():
        if found.distinguishable and found.estimate and found.estimate.half is not None and found.corrected is not None:
            way = "higher" if found.estimate.mean > 0 else "lower"
            by = f"{scale.value(abs(found.estimate.mean))} ± {scale.value(found.estimate.half)}{scale.points}"
            p = probability(found.corrected)
            yield f"{label!r} is {way} than {baseline} by {by} (p {p if p.startswith('<') else f'= {p}'})."
    if unseen := [
        f"{label!r} (seen from {scale.value(found.estimate.half)}{scale.points})" if found.spread else repr(label)
        for label, found in compared.items()
        if found.distinguishable is False and found.estimate and found.estimate.half is not None
    ]:
        yield f"Not distinguishable from {baseline}: {', '.join(unseen)}."
    if same := [
        f"{label!r} ({scale.signed(found.estimate.mean)}{scale.points})"
        for label, found in compared.items()
        if found.corrected is not None and found.distinguishable is None and found.estimate
    ]:
        yield f"The same difference to {baseline} in every seed, which tells nothing of chance: {', '.join(same)}."
    if few := [f"{label!r} ({found.verdict.rpartition('(')[2]}" for label, found in compared.items() if found.p is None]:
        yield f"Too few seeds to tell from {baseline}: {', '.join(few)}."


def _left_out(results: GridResults, cells: Sequence[Cell]) -> Iterator[str]:
    """Say what does not count, and why."""
    for cell in cells:
        for result in cell.results:
            where = f"{cell.label!r}, seed {result.seed}"
            if result.state != "finished":
                yield f"{where}: {result.state}" + (f"; {' '.join(result.error.split())}" if result.error else "")
                continue
            for metric in results.metrics:
                value = result.metrics.get(metric)
                if value is None:
                    yield f"{where}: {metric} was not measured"
                elif not math.isfinite(value):
                    yield f"{where}: {metric} is {value}"


def _method(results: GridResults, cells: Sequence[Cell]) -> Iterator[str]:
    """Say how to read the tables."""
    if results.metrics:
        yield MEAN
    if results.metrics and results.baseline is not None:
        yield from COMPARED
    yield "Time and samples/s are means over the runs that finished; they depend on the machine, and on what else it did."


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + "s" * (count != 1)
