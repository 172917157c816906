"""A report's tables as LaTeX, to be taken into a paper by `input`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remgcl.core.grid.report.content import Content
from remgcl.core.grid.report.table import Entry, Table
from remgcl.core.grid.report.words import NOTHING

ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    NOTHING: r"\textendash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""Signs that mean something to LaTeX, or that its older fonts show as another; a bracket or a star after a line's end
would be taken for its argument."""

PACKAGES = r"% needs \usepackage[T1]{fontenc}, \usepackage{textcomp} and \usepackage{booktabs}"

NAMES = ("cell", "seeds")
COST = ("training time", "samples/s")
SPARE = ("seen from", *COST)
"""Columns that would make a table of results too wide: what brackets tell already, and costs, which get a table."""

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
            told = COMPARED if "difference" in kept else ""
            lines += _table(table, kept, f"{content.name}: {table.title}, {MEAN}; {seeds}. {told}")
    for table in content.tables[:1]:
        lines += _table(table, [*NAMES, *COST], f"{content.name}: cost, means over {seeds}.")
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Write a text so that LaTeX shows it as it is.

    Args:
        text: The text.
    """
    return "".join(ESCAPES.get(sign, sign) for sign in " ".join(text.split())).replace("--", "-{}-")


def _table(table: Table, heads: Sequence[str], caption: str) -> Iterator[str]:
    """Write some columns of a table."""
    places = [place for place, head in enumerate(table.heads) if head in heads]
    yield ""
    yield r"\begin{table}"
    yield r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}"
    yield rf"  \caption{{{escaped(caption)}}}"
    yield r"  \begin{tabular}{@{}l" + "r" * (len(places) - 1) + "@{}}"
    yield r"    \toprule"
    yield rf"    {' & '.join(escaped(table.heads[place]) for place in places)} \\"
    yield r"    \midrule"
    for row in table.rows:
        yield rf"    {' & '.join(_entry(row[place]) for place in places)} \\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _entry(entry: Entry) -> str:
    return rf"\textbf{{{escaped(entry.text)}}}" if entry.strong else escaped(entry.text)
