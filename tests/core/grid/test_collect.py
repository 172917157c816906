"""What came out of a grid, read from its folder."""

import json
from typing import Any, TypeAlias

import pytest

from remgcl import RunError
from remgcl.core.grid.collect import collect

Grids: TypeAlias = Any
"""The class of the fixture, which no test can import."""

LOSSES = 'seeds = [1, 2]\nmetrics = ["exact_match.after", "nothing", "seconds"]\n[axes]\nlosses = [[], ["global"]]'


def test_finished_cells_tell_metrics_costs_and_curves(grids: Grids) -> None:
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
    assert last.digest == grids.prepare(f"baseline = {{ losses = [] }}\n{LOSSES}").plan.members[-1].last
    assert last.settings == {"losses": "global"}
    assert last.metrics == {"exact_match.after": 0.52, "seconds": 3.0}
    assert (last.seconds, last.samples_per_second, last.error) == (6.0, 2.0, None)
    assert last.curves == {"language": [(1, 0.5)], "global": [(1, 0.5)]}


def test_a_failed_cell_tells_its_error(grids: Grids) -> None:
    grids.run(LOSSES, "runner.fails=global")
    failed = [cell for cell in collect(grids.folder.path).cells if cell.state != "finished"]
    assert [(cell.label, cell.state, cell.metrics, cell.seconds) for cell in failed] == [
        ("losses=global", "failed", {}, None)
    ] * 2
    assert failed[0].error == "stage 'tune': the objective is not finite\nand more"


def test_cells_that_were_not_trained_are_missing_or_run(grids: Grids) -> None:
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


def test_a_runner_may_finish_with_results_and_logs_of_its_own(grids: Grids) -> None:
    grids.run("")
    (stage,) = grids.folder.path.glob("stages/*/tune/stage.json")
    record = json.loads(stage.read_text())
    stage.write_text(json.dumps(record | {"results": {"reward": 0.5}}))
    stage.with_name("metrics.jsonl").write_text('{"reward": 1}\nno json\n[]\n{"step": 1, "terms": {"a": 2.0}}\n')
    (cell,) = collect(grids.folder.path).cells
    assert (cell.state, cell.seconds, cell.samples_per_second, cell.curves) == ("finished", 3.0, None, {})
    for other in grids.folder.path.glob("stages/*/pretrain/stage.json"):
        other.write_text(json.dumps(json.loads(other.read_text()) | {"results": {}}))
    assert collect(grids.folder.path).cells[0].seconds is None


@pytest.mark.parametrize("name", ["stage.json", "failed.json"])
def test_a_cell_whose_record_cannot_be_read_has_failed_alone(grids: Grids, name: str) -> None:
    grids.run(LOSSES.replace("[1, 2]", "[1]"), "runner.fails=global")
    finished = name == "stage.json"
    (file,) = (
        [grids.folder.path / "cells" / "losses=none" / "seed-1" / name]
        if finished
        else grids.folder.path.glob(f"stages/*/{name}")
    )
    file.write_text("no json")
    cells = collect(grids.folder.path).cells
    assert [cell.state for cell in cells] == (["failed", "failed"] if finished else ["finished", "failed"])
    assert f"{name}: cannot be read; " in str(cells[0 if finished else 1].error)


@pytest.mark.parametrize("text", ["{}", '{"name": "g", "metrics": [], "axes": {}, "baseline": null, "cells": [3]}'])
def test_a_record_that_is_none_is_told(grids: Grids, text: str) -> None:
    grids.folder.path.mkdir()
    (grids.folder.path / "grid.json").write_text(text)
    with pytest.raises(RunError, match=r"grid\.json: is no record of a grid; "):
        collect(grids.folder.path)
