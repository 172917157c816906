"""What came out of a grid, read from its folder."""

from typing import Any

import pytest

from remgcl import RunError
from remgcl.core.grid.collect import collect

LOSSES = 'seeds = [1, 2]\nmetrics = ["exact_match.after", "nothing", "seconds"]\n[axes]\nlosses = [[], ["global"]]'


def test_finished_cells_tell_metrics_costs_and_curves(grids: Any) -> None:  # noqa: ANN401 - a fixture's class
    grids.run(f"baseline = {{ losses = [] }}\n{LOSSES}")
    results = collect(grids.folder.path)
    assert (results.name, results.baseline, results.axes) == ("g", "losses=none", {"losses": ("none", "global")})
    assert results.metrics == ("exact_match.after", "nothing", "seconds")
    assert [(cell.label, cell.seed, cell.state) for cell in results.cells] == [
        ("losses=none", 1, "finished"),
        ("losses=global", 1, "finished"),
        ("losses=none", 2, "finished"),
        ("losses=global", 2, "finished"),
    ]
    last = results.cells[-1]
    assert last.settings == {"losses": "global"}
    assert last.metrics == {"exact_match.after": 0.52, "seconds": 3.0}
    assert (last.seconds, last.samples_per_second, last.error) == (6.0, 2.0, None)
    assert last.curves == {"language": [(1, 0.5)], "global": [(1, 0.5)]}


def test_a_failed_cell_tells_its_error(grids: Any) -> None:  # noqa: ANN401 - a fixture's class
    grids.run(LOSSES, "runner.fails=global")
    failed = [cell for cell in collect(grids.folder.path).cells if cell.state != "finished"]
    assert [(cell.label, cell.state, cell.metrics, cell.seconds) for cell in failed] == [
        ("losses=global", "failed", {}, None)
    ] * 2
    assert failed[0].error == "stage 'tune': the objective is not a number\nand more"


def test_cells_that_were_not_trained_are_missing_or_run(grids: Any) -> None:  # noqa: ANN401 - a fixture's class
    executor = grids.prepare("").plan.grid.file.executor
    states = []
    executor.before["tune"] = lambda: states.append([cell.state for cell in collect(grids.folder.path).cells])
    grids.run(LOSSES.replace("[1, 2]", "[1]"))
    assert states == [["missing", "missing"]]
    grids.run('[axes]\nlosses = [["sliding-window"]]', "runner.fails=sliding-window")
    (unit,) = (unit for unit in grids.folder.path.glob("stages/*/failed.json"))
    unit.unlink()
    assert collect(grids.folder.path).cells[0].state == "missing"
    from remgcl import RunFolder

    with RunFolder(unit.parent).alone():
        assert collect(grids.folder.path).cells[0].state == "running"


@pytest.mark.parametrize("text", ["{}", '{"name": "g", "metrics": [], "axes": {}, "baseline": null, "cells": [3]}'])
def test_a_record_that_is_none_is_told(grids: Any, text: str) -> None:  # noqa: ANN401 - a fixture's class
    grids.folder.path.mkdir()
    (grids.folder.path / "grid.json").write_text(text)
    with pytest.raises(RunError, match=r"grid\.json: is no record of a grid; "):
        collect(grids.folder.path)
