"""What is left out, and how to read the rest."""

import math
from collections.abc import Callable
from typing import TypeAlias

from attrs import evolve

from remgcl.core.grid.report.content import content_of
from remgcl.core.grid.results import CellResult, GridResults

Result: TypeAlias = Callable[..., CellResult]
Grid: TypeAlias = Callable[..., GridResults]


def test_every_run_that_does_not_count_is_told_with_its_reason(result: Result, grid: Grid) -> None:
    runs = (
        result("a", 1, state="failed", error="RunError:\n  no space"),
        result("a", 0, state="missing"),
        result("b", 0, metrics={"exact_match": math.inf}),
        result("b", 1, metrics={}),
        result("b", 2, metrics={"exact_match": 0.5}),
    )
    assert content_of(grid({}, cells=runs)).left_out == (
        "'a', seed 0: missing",
        "'a', seed 1: failed; RunError: no space",
        "'b', seed 0: exact_match is inf",
        "'b', seed 1: exact_match was not measured",
    )


def test_the_scale_is_that_of_the_first_metric(losses: GridResults) -> None:
    first, second = (content_of(evolve(losses, metrics=metrics)) for metrics in (losses.metrics, losses.metrics[::-1]))
    assert first.scale is not None
    assert second.scale is not None
    assert (first.scale.share, second.scale.share) == (True, False)
    assert content_of(evolve(losses, metrics=())).scale is None


def test_the_method_tells_of_what_is_in_the_tables(losses: GridResults) -> None:
    whole = " ".join(content_of(losses).method)
    for word in ("95 % interval", "n - 1 degrees", "paired by seed", "Holm", "fewer than 3", "sign test", "samples/s"):
        assert word in whole
    assert "Holm" not in " ".join(content_of(evolve(losses, baseline=None)).method)
    assert len(content_of(evolve(losses, metrics=())).method) == 1


def test_a_grid_without_a_cell_has_a_report(grid: Grid) -> None:
    content = content_of(grid({}))
    assert content.findings[0] == "0 cells, 0 seeds, 0 runs: 0 finished."
    assert [table.rows for table in content.tables] == [()]
