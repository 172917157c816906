"""What ``remgcl eval`` prints: progress, and the scores as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from remgcl.cli import output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from remgcl.core.evaluation.evaluate import Watch
    from remgcl.core.evaluation.record import EvaluationFolder

MOST = 40
"""Most groups that are shown."""

WRONG = "answers hold nothing that the rule can read; they are scored as wrong"

CROSS = " x "
"""Stands between two fields, and between their values, in the name of a group."""


@contextmanager
def progress(what: str) -> Iterator[Watch]:
    """Show how many questions are answered.

    Args:
        what: The benchmark.
    """
    import sys

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.console(sys.stderr), transient=True) as bar:
        row = bar.add_task(what, total=None)
        yield lambda done, count: bar.update(row, completed=done, total=count)


def show(scores: Mapping[str, Any], folder: EvaluationFolder) -> None:
    """Print scores: the headline, groups, and what is to be warned of.

    Args:
        scores: The content of `scores.json`.
        folder: Where it is.
    """
    print_scores(output.console(), scores)
    output.console().print(f"answers and scores: {folder.path}", markup=False)


def print_scores(console: Console, scores: Mapping[str, Any]) -> None:
    """Print scores on a console.

    Args:
        console: The console.
        scores: The content of `scores.json`.
    """
    protocol = scores["protocol"]
    named = f"{scores['benchmark']}:{protocol['name']}"
    headline = scores["summary"].get("score")
    shown = "no score" if headline is None else f"{headline:.4g}"
    console.print(f"[bold]{named}[/]: {shown} by rule {protocol['metric']['use']}, {scores['count']:,} questions")
    for name, groups in scores["by"].items():
        if 1 < len(groups) <= MOST:
            console.print(_crossed(name, groups) if CROSS in name else _grouped(name, groups))
    judged = protocol.get("judge") is not None
    for what, meaning in (
        ("unparsed", "reviews cannot be read; they enter no mean" if judged else WRONG),
        ("cut", "answers reached the longest length"),
        ("refused", "answers are refusals"),
        ("reviews_refused", "reviews are refusals of the judge; they enter no mean"),
    ):
        if scores.get(what):
            console.print(f"[yellow]warning: {scores[what]:,} {meaning}[/]")


def _grouped(name: str, groups: Mapping[str, Any]) -> Table:
    """Make a table of groups: a row for each."""
    from rich.table import Table

    table = Table(title=f"by {name}", title_justify="left")
    table.add_column(name)
    for column in ("questions", "mean score"):
        table.add_column(column, justify="right")
    for value, group in groups.items():
        table.add_row(value, f"{group['count']:,}", f"{group['score']:.1%}")
    return table


def _crossed(name: str, groups: Mapping[str, Any]) -> Table:
    """Make a table of two fields: rows by the first, columns by the second, mean scores in the cells."""
    from rich.table import Table

    pairs = {tuple(value.split(CROSS)): group for value, group in groups.items()}
    rows, columns = (list(dict.fromkeys(pair[place] for pair in pairs)) for place in (0, 1))
    table = Table(title=f"mean score by {name}", title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        cells = (pairs.get((row, column)) for column in columns)
        table.add_row(row, *("" if cell is None else f"{cell['score']:.1%}" for cell in cells))
    return table
