"""The tables of a comparison, the same in every format."""

from __future__ import annotations

from collections.abc import Iterator

from remgcl.core.evaluation.comparison.compare import Column, Comparison, Entrant
from remgcl.core.tables.table import Entry, Table
from remgcl.core.tables.words import probability

NO_MEAN = "no mean of questions"


def tables_of(comparison: Comparison) -> tuple[Table, ...]:
    """Make a table of each benchmark, and one of all if there are several.

    Args:
        comparison: The comparison.
    """
    tables = tuple(_table(column, several=len(comparison.labels) > 1) for column in comparison.columns)
    return (_overview(comparison), *tables) if len(tables) > 1 else tables


def method_of(comparison: Comparison) -> Iterator[str]:
    """Say how to read the tables.

    Args:
        comparison: The comparison.
    """
    first = comparison.labels[0]
    yield (
        f"Intervals are 95 % percentile intervals of a bootstrap over questions: {comparison.draws:,} draws with "
        f"replacement, seed {comparison.seed}, the same questions for all models in each draw."
    )
    if len(comparison.labels) > 1:
        yield (
            f"Differences are to {first!r} on the same questions. A bold difference has an interval without zero. "
            "Better and worse count the questions with a higher and a lower score."
        )
    found = [entrant.against for column in comparison.columns for entrant in column.entrants]
    if any(against is not None and against.p is not None for against in found):
        yield (
            "p is of McNemar's exact test, for scores of 0 and 1; it is not corrected for the number of comparisons. "
            "No interval covers the chance of another training."
        )
    for column in comparison.columns:
        if not column.mean:
            drawn = any(entrant.interval for entrant in column.entrants)
            how = (
                "images are drawn with all their questions, within each type, at most 1,000 times"
                if drawn
                else "questions do not say their image, or draws have no score, so there is no interval"
            )
            yield f"{column.title}: the score by the rule {column.rule!r} is {NO_MEAN}: {how}."


def _table(column: Column, *, several: bool) -> Table:
    unit = " (%)" if column.factor == 100 else ""  # noqa: PLR2004 - percent
    heads = ("model", f"score{unit} [95 %]")
    more = ("difference", "better", "worse", "p")
    title = f"{column.title}, {column.count:,} questions, rule {column.rule}"
    rows = tuple(
        (*_own(column, entrant), *(_compared(column, entrant) if several else ()))
        for entrant in column.entrants
        if entrant.scored is not None
    )
    return Table(title, (*heads, *more) if several else heads, rows)


def _own(column: Column, entrant: Entrant) -> tuple[Entry, ...]:
    headline = entrant.scored.headline if entrant.scored else None
    if headline is None:
        return Entry(entrant.label), Entry()
    interval = "" if entrant.interval is None else f" {_interval(entrant.interval, column, signed=False)}"
    return Entry(entrant.label), Entry(_value(headline, column) + interval, headline)


def _compared(column: Column, entrant: Entrant) -> tuple[Entry, ...]:
    against = entrant.against
    if against is None:
        return (Entry(),) * 4
    interval = "" if against.interval is None else f" {_interval(against.interval, column, signed=True)}"
    text = _value(against.difference, column, signed=True) + interval
    return (
        Entry(text, against.difference, strong=against.distinguishable),
        Entry(f"{against.better:,}", against.better),
        Entry(f"{against.worse:,}", against.worse),
        Entry() if against.p is None else Entry(probability(against.p), against.p),
    )


def _overview(comparison: Comparison) -> Table:
    """Put the headlines of all benchmarks side by side."""
    rows = []
    for place, label in enumerate(comparison.labels):
        entries = [Entry(label)]
        for column in comparison.columns:
            entrant = column.entrants[place]
            headline = entrant.scored.headline if entrant.scored else None
            strong = entrant.against is not None and entrant.against.distinguishable
            entries.append(Entry() if headline is None else Entry(_value(headline, column), headline, strong=strong))
        rows.append(tuple(entries))
    titles = (column.title + (" (%)" if column.factor == 100 else "") for column in comparison.columns)  # noqa: PLR2004 - percent
    return Table("all benchmarks", ("model", *titles), tuple(rows))


def _value(value: float, column: Column, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{value * column.factor:{sign}z,.1f}".replace("-", "\N{MINUS SIGN}")


def _interval(found: tuple[float, float], column: Column, *, signed: bool) -> str:
    return f"[{', '.join(_value(each, column, signed=signed) for each in found)}]"
