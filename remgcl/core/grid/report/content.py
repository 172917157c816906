"""What a report of a grid says, before it is Markdown, LaTeX or HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from attrs import frozen

from remgcl.core.grid.report.findings import findings_of
from remgcl.core.grid.report.table import tables_of
from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import CellSummary, measured, summarize
from remgcl.core.tables.table import Table

MEAN = """\
Mean ± half the width of its 95 % interval over seeds, by Student's t with n - 1 degrees of freedom; one seed has no \
interval."""

COMPARED = """\
Differences are paired by seed: only seeds count that both the cell and the baseline have. In brackets is the 95 % \
interval of this cell alone; 'seen from' is half its width: with so many seeds, smaller differences cannot be seen.
p is of the paired t-test, after Holm's correction over the cells compared in its table. A difference is \
distinguishable from zero if p is below 0.05. With fewer than 3 paired seeds no verdict is given.
Where the difference is the same in every seed, there is no variance for a t-test. Then p is that of the sign test, \
2^(1 - n), before the correction; and it is 1 if all differences are zero."""

OVER_QUESTIONS = """\
Over seeds and questions: the 95 % interval of the same difference by a pigeonhole bootstrap (Owen, 2007) with 5,000 \
draws of seeds and, independently, of questions, the same questions for all seeds. It covers the choice of questions \
too; with few seeds it is rather too narrow, and with one it covers questions alone."""

COST = """\
Training time and samples/s are means over the runs that finished; they depend on the machine and its other work."""


@frozen(kw_only=True)
class Content:
    """What a report says.

    Attributes:
        name: Name of the grid.
        cells: What can be said of each cell.
        scale: How the first metric is written; none if nothing was measured.
        findings: The findings by the first metric, one sentence each.
        tables: A table for each metric.
        left_out: What of which run does not count, and why.
        method: How to read the tables, a sentence or two each.
    """

    name: str
    cells: tuple[CellSummary, ...]
    scale: Scale | None
    findings: tuple[str, ...]
    tables: tuple[Table, ...]
    left_out: tuple[str, ...]
    method: tuple[str, ...]


def content_of(results: GridResults) -> Content:
    """Compile the report of a grid.

    Args:
        results: What came out.
    """
    cells = summarize(results)
    scales = {
        metric: Scale.of(metric, (value for result in results.cells for value in measured([result], metric).values()))
        for metric in results.metrics
    }
    return Content(
        name=results.name,
        cells=cells,
        scale=scales[results.metrics[0]] if results.metrics else None,
        findings=tuple(findings_of(results, cells, scales)),
        tables=tables_of(results, cells, scales),
        left_out=tuple(_left_out(results, cells)),
        method=tuple(_method(results)),
    )


def _left_out(results: GridResults, cells: Sequence[CellSummary]) -> Iterator[str]:
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


def _method(results: GridResults) -> Iterator[str]:
    """Say how to read the tables."""
    if results.metrics:
        yield MEAN
    if results.metrics and results.baseline is not None:
        yield from COMPARED.splitlines()
    if any(cell.questions.get(metric) for cell in results.cells for metric in results.metrics):
        yield OVER_QUESTIONS
    yield COST
