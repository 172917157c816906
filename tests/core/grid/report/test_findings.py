"""What was found, in sentences."""

from collections.abc import Callable
from typing import TypeAlias

from attrs import evolve

from remgcl.core.grid.report.content import content_of
from remgcl.core.grid.results import CellResult, GridResults

Result: TypeAlias = Callable[..., CellResult]
Grid: TypeAlias = Callable[..., GridResults]

BASE = "the baseline 'none' in exact_match"
BASELINE = {0: 0.50, 1: 0.52, 2: 0.55}


def told(results: GridResults) -> str:
    """Read all sentences."""
    return "\n".join(content_of(results).findings)


def test_cells_are_grouped_by_their_verdict(grid: Grid) -> None:
    values = {
        "none": BASELINE,
        "up": {0: 0.60, 1: 0.62, 2: 0.66},
        "down": {0: 0.40, 1: 0.42, 2: 0.44},
        "noise": {0: 0.45, 1: 0.60, 2: 0.50},
        "equal": BASELINE,
        "shifted": {0: 0.60, 1: 0.62, 2: 0.65},
        "few": {0: 0.9, 1: 0.9},
    }
    assert told(grid(values)).splitlines() == [
        "7 cells, 3 seeds, 20 runs: 20 finished.",
        f"Higher than {BASE}: 'up' (+10.3 [+8.9, +11.8] points, p = 0.005).",
        f"Lower than {BASE}: 'down' (−10.3 [−11.8, −8.9] points, p = 0.005).",
        f"Not distinguishable from {BASE}: 'noise' (seen from 18.6 points), 'equal'.",
        f"The same difference to {BASE} in every seed, so that chance cannot be judged: 'shifted' (+10.0 points).",
        f"Too few seeds to distinguish from {BASE} (at least 3 that both have): 'few' (2).",
    ]


def test_one_seed_is_too_few_for_all(grid: Grid) -> None:
    found = told(grid({"none": {0: 0.5}, "a": {0: 0.9}, "b": {0: 0.1}}))
    assert found.splitlines()[0] == "3 cells, 1 seed, 3 runs: 3 finished."
    assert "(at least 3 that both have): 'a' (1), 'b' (1)." in found
    assert "Higher" not in found


def test_what_is_no_share_has_no_points(grid: Grid) -> None:
    found = told(grid({"none": {0: 2.0, 1: 2.1, 2: 2.3}, "up": {0: 3.0, 1: 3.1, 2: 3.31}}))
    assert "'up' (+1.003 [+0.989, +1.018], p < 0.001)" in found


def test_states_are_counted_and_cells_without_a_result_named(result: Result, grid: Grid) -> None:
    lost = (result("lost", 0, state="failed"), result("late", 0, state="running"))
    results = grid({"none": BASELINE})
    found = told(evolve(results, cells=results.cells + lost)).splitlines()
    assert found == [
        "3 cells, 3 seeds, 5 runs: 3 finished, 1 failed, 1 running.",
        "No finished seed that measured exact_match: 'lost', 'late'.",
    ]


def test_a_baseline_that_did_not_finish_leaves_nothing_to_compare(result: Result, grid: Grid) -> None:
    results = grid({"a": BASELINE}, baseline="none")
    found = told(evolve(results, cells=(result("none", 0, state="missing"), *results.cells)))
    assert "No finished seed that measured exact_match: 'none'." in found
    assert f"Too few seeds to distinguish from {BASE} (at least 3 that both have): 'a' (0)." in found


def test_no_baseline_and_no_metric_are_told(grid: Grid) -> None:
    assert "No cell is named as the baseline, so there are no differences." in told(
        grid({"a": BASELINE}, baseline=None)
    )
    assert "Nothing was measured." in told(grid({"a": BASELINE}, metrics=()))
