"""A report's tables as LaTeX, to be taken into a paper by `input`."""

from __future__ import annotations

from remgcl.core.grid.report.content import Content
from remgcl.core.tables.latex import PACKAGES, table_lines

NAMES = ("cell", "seeds")
COST = ("training time", "samples/s")
SPARE = ("seen from", *COST)
"""Columns that would make a table of results too wide: those in brackets already, and costs, which get a table."""

MEAN = "mean ± half the width of its 95 % interval over seeds, by Student's t"

COMPARED = (
    "Differences are to the baseline, paired by seed, with the 95 % interval of each alone; p is of the paired t-test, "
    "or of the sign test where all seeds differ alike, after Holm's correction. Distinguishable is a p below 0.05."
)


def latex(content: Content) -> str:
    """Write the tables of a report, each as a `table` with a caption.

    Args:
        content: What the report says.
    """
    counts = sorted({sum(result.state == "finished" for result in cell.results) for cell in content.cells})
    seeds = f"{' to '.join(map(str, dict.fromkeys((*counts[:1], *counts[-1:]))))} finished seeds of each cell"
    lines = [PACKAGES]
    for table in content.tables:
        kept = [head for head in table.heads if head not in SPARE]
        if len(kept) > len(NAMES):
            explained = COMPARED if "difference" in kept else ""
            lines += table_lines(table, kept, f"{content.name}: {table.title}, {MEAN}; {seeds}. {explained}")
    for table in content.tables[:1]:
        lines += table_lines(table, [*NAMES, *COST], f"{content.name}: cost, means over {seeds}.")
    return "\n".join(lines) + "\n"
