"""Tables: a row for each cell, whatever became of it."""

from collections.abc import Callable
from typing import TypeAlias

from attrs import evolve

from remgcl.core.grid.report.content import content_of
from remgcl.core.grid.results import CellResult, GridResults
from remgcl.core.tables.table import Table

Result: TypeAlias = Callable[..., CellResult]
Grid: TypeAlias = Callable[..., GridResults]


def column(table: Table, head: str) -> list[str]:
    """Read the texts of a column."""
    return [row[table.heads.index(head)].text for row in table.rows]


def test_the_first_table_holds_the_costs_and_each_metric_has_one(losses: GridResults) -> None:
    first, second = content_of(losses).tables
    compared = ("difference", "seen from", "p (Holm)", "distinguishable")
    assert first.heads == ("cell", "seeds", "exact_match (%)", *compared, "training time", "samples/s")
    assert second.heads == ("cell", "seeds", "language_loss", *compared)
    assert (first.title, second.title) == ("exact_match", "language_loss")
    assert column(first, "training time") == ["1.7 min", "3.4 min", "5.0 min", "6.7 min"]
    assert column(first, "samples/s") == ["50", "25", "16.7", "12.5"]


def test_the_baseline_is_named_and_has_no_difference(losses: GridResults) -> None:
    table = content_of(losses).tables[0]
    assert column(table, "cell") == ["none (baseline)", "global", "a|b_c & <d>", "all"]
    assert column(table, "difference")[0] == column(table, "distinguishable")[0] == "–"


def test_a_row_tells_difference_verdict_and_what_could_have_been_seen(losses: GridResults) -> None:
    table = content_of(losses).tables[0]
    assert [entry.text for entry in table.rows[1]][1:7] == [
        "3",
        "62.1 ± 5.0",
        "+10.1 [+9.7, +10.5]",
        "0.4",
        "< 0.001",
        "yes",
    ]
    assert [entry.strong for entry in table.rows[1]] == [False] * 6 + [True] + [False] * 2
    assert table.rows[1][4].order is not None


def test_too_few_seeds_are_told(losses: GridResults) -> None:
    table = content_of(losses).tables[0]
    assert column(table, "seeds")[3] == "2 of 3 (1 failed)"
    assert column(table, "distinguishable")[3] == "too few seeds to tell (2 of at least 3)"
    assert column(table, "p (Holm)")[3] == "–"


def test_fewer_paired_seeds_than_the_cell_has_are_told(grid: Grid) -> None:
    results = grid({"none": {0: 0.5, 1: 0.6}, "more": {0: 0.6, 1: 0.7, 2: 0.8, 3: 0.9}})
    assert "(2 paired)" in column(content_of(results).tables[0], "difference")[1]
    assert "paired" not in column(content_of(grid({"none": {0: 0.5}, "a": {0: 0.6}})).tables[0], "difference")[1]


def test_a_cell_that_never_finished_is_a_row(result: Result, losses: GridResults) -> None:
    lost = tuple(result("lost", seed, state=state) for seed, state in enumerate(("failed", "missing", "running")))
    row = content_of(evolve(losses, cells=losses.cells + lost)).tables[0].rows[-1]
    few = "too few seeds to tell (0 of at least 3)"
    assert [entry.text for entry in row] == ["lost", "0 of 3 (1 failed, 1 missing, 1 running)", *"––––", few, *"––"]
    assert {entry.order for entry in row[2:]} == {None}


def test_what_could_have_been_seen_is_not_told_without_a_spread(grid: Grid) -> None:
    values = {0: 0.5, 1: 0.6, 2: 0.7}
    table = content_of(grid({"none": values, "same": values})).tables[0]
    assert column(table, "seen from") == ["–", "–"]
    assert column(table, "difference")[1] == "+0.0 [+0.0, +0.0]"


def test_without_a_baseline_there_are_no_columns_of_differences(losses: GridResults) -> None:
    first, second = content_of(evolve(losses, baseline=None)).tables
    assert first.heads == ("cell", "seeds", "exact_match (%)", "training time", "samples/s")
    assert second.heads == ("cell", "seeds", "language_loss")


def test_without_a_metric_there_is_a_table_of_costs(losses: GridResults) -> None:
    (table,) = content_of(evolve(losses, metrics=())).tables
    assert table.title == "cost"
    assert table.heads == ("cell", "seeds", "training time", "samples/s")
