"""A report's tables as LaTeX, to be taken into a paper by `input`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remgcl.core.grid.report_content import Content
from remgcl.core.grid.report_table import NOTHING, Table

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
    "-": "{-}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    NOTHING: "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""Signs that mean something to LaTeX, or that its older fonts show as another; a bracket or a star after a line's end
would be taken for its argument."""


def latex(content: Content) -> str:
    """Write the tables of a report, each as a `table` with a caption.

    Args:
        content: What the report says.
    """
    head = r"% \usepackage{booktabs} and, for quotation marks in names, \usepackage[T1]{fontenc} and \usepackage{textcomp}"
    return "\n".join([head, *(line for table in content.tables for line in _table(table, content))]) + "\n"


def escaped(text: str) -> str:
    """Write a text so that LaTeX shows it as it is.

    Args:
        text: The text.
    """
    return "".join(ESCAPES.get(sign, sign) for sign in " ".join(text.split()))


def _table(table: Table, content: Content) -> Iterator[str]:
    yield ""
    yield r"\begin{table}"
    yield r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}"
    yield rf"  \caption{{{escaped(_caption(table, content))}}}"
    yield rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', f'{content.name}-{table.title}')}}}"
    yield rf"  \begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}"
    yield r"    \toprule"
    yield rf"    {' & '.join(map(escaped, table.heads))} \\"
    yield r"    \midrule"
    for row in table.rows:
        texts = (rf"\textbf{{{escaped(entry.text)}}}" if entry.strong else escaped(entry.text) for entry in row)
        yield rf"    {' & '.join(texts)} \\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _caption(table: Table, content: Content) -> str:
    """Say what the table shows, of how many seeds, and what its intervals are."""
    seeds = sorted({sum(result.state == "finished" for result in cell.results) for cell in content.cells})
    told = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else "".join(map(str, seeds))
    return " ".join([f"{content.name}: {table.title}; {told} finished seeds of each cell.", *content.method[:-1]])
