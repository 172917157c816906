"""Texts and tables in LaTeX, to be taken into a paper by `input`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remgcl.core.tables.table import Entry, Table
from remgcl.core.tables.words import NOTHING

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


def escaped(text: str) -> str:
    """Write a text so that LaTeX shows it as it is.

    Args:
        text: The text.
    """
    return "".join(ESCAPES.get(sign, sign) for sign in " ".join(text.split())).replace("--", "-{}-")


def table_lines(table: Table, heads: Sequence[str], caption: str) -> Iterator[str]:
    """Write some columns of a table, as a `table` with a caption.

    Args:
        table: The table.
        heads: The heads of the columns.
        caption: What stands above it.
    """
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
