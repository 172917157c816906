"""A report's figures in full precision."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from remgcl.core.grid.report.csv import runs, summary
from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import summarize


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a file as a reader would."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_a_row_for_each_run_in_full_precision(report: Path, losses: GridResults) -> None:
    rows = rows_of(report / "report.csv")
    assert list(rows[0]) == [
        "cell",
        "axis.losses",
        "seed",
        "state",
        "metric.exact_match",
        "metric.language_loss",
        "seconds",
        "samples_per_second",
        "error",
    ]
    assert [(row["cell"], int(row["seed"]), row["state"]) for row in rows] == [
        (run.label, run.seed, run.state) for run in losses.cells
    ]
    assert [float(row["metric.exact_match"]) for row in rows[:-1]] == [
        run.metrics["exact_match"] for run in losses.cells[:-1]
    ]


def test_a_run_that_failed_has_its_error_and_no_figures(report: Path) -> None:
    row = rows_of(report / "report.csv")[-1]
    assert row["error"] == "RunError: step 3:\n  a loss is nan"
    assert row["metric.exact_match"] == row["seconds"] == row["samples_per_second"] == ""


def test_there_is_a_row_for_each_cell_and_metric_in_full_precision(report: Path, losses: GridResults) -> None:
    rows = rows_of(report / "summary.csv")
    cells = summarize(losses)
    assert [(row["cell"], row["metric"]) for row in rows] == [(c.label, m) for c in cells for m in losses.metrics]
    found = cells[1].differences["exact_match"]
    row = rows[2]
    assert row["axis.losses"] == "global"
    assert (float(row["mean"]), int(row["seeds"])) == (cells[1].estimates["exact_match"].mean, 3)
    assert (float(row["low"]), float(row["high"])) == cells[1].estimates["exact_match"].bounds
    assert (float(row["difference"]), int(row["paired_seeds"])) == (found.estimate.mean, 3)
    assert (float(row["difference_low"]), float(row["difference_high"])) == found.estimate.bounds
    assert (float(row["p"]), float(row["p_holm"]), row["distinguishable"]) == (found.p, found.corrected, "yes")
    assert float(row["seconds"]) == cells[1].seconds
    assert float(row["samples_per_second"]) == cells[1].samples_per_second


def test_what_is_not_known_is_empty(report: Path, grid: Callable[..., GridResults]) -> None:
    rows = rows_of(report / "summary.csv")
    assert [rows[0][key] for key in ("difference", "p", "p_holm", "distinguishable")] == [""] * 4
    assert rows[-2]["distinguishable"] == "too few seeds to tell (2 of at least 3)"
    one = grid({"none": {0: 0.5}, "a": {}, "b": {0: 0.75}})
    assert summary(one, summarize(one)).splitlines()[1:] == [
        "none,none,exact_match,1,0.5,,,0,,,,,,,,,,",
        "b,b,exact_match,1,0.75,,,1,0.25,,,,,too few seeds to tell (1 of at least 3),,,,",
    ]


@pytest.mark.parametrize("axis", ["seed", "state", "cell"])
def test_an_axis_may_be_named_as_a_column(axis: str, losses: GridResults) -> None:
    head = runs(evolve(losses, axes={axis: ()})).splitlines()[0].split(",")
    assert len(head) == len(set(head))
    assert f"axis.{axis}" in head


def test_without_a_metric_the_costs_are_there(losses: GridResults) -> None:
    lines = summary(evolve(losses, metrics=()), summarize(evolve(losses, metrics=()))).splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("none,none,,0,")
    assert lines[1].endswith(",101.0,50.0")
