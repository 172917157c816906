"""``remgcl grid``: cells trained into a folder, whatever happens meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from remgcl import Engine, RunFolder
from remgcl.cli import grid as module
from remgcl.cli import grid_table
from remgcl.core.grid.folder import GridFolder
from remgcl.core.grid.plan import plan_grid, read_grid
from remgcl.core.grid.progress import GridProgress, Row
from remgcl.core.grid.run import Run

Call = Callable[..., Any]

GRID = """
name = "small-losses"
base = "small.toml"
seeds = [0, 1]
baseline = { losses = [], "losses.mine.weight" = 0.25 }
executor = { use = "local", slots = 2 }

[set]
"stages.pretrain.data.samples" = 8
"stages.tune.validation.pictures" = 1
"runner.threads" = 1

[axes]
losses = [[], ["mine"], ["mine", "refined-local"]]
"losses.mine.weight" = [0.25, 0.5]
"""


@pytest.fixture
def grid(recipe: Path) -> Path:
    """A grid of the small recipe."""
    path = recipe.with_name("grid.toml")
    path.write_text(GRID)
    return path


def row(state: str, **changed: Any) -> Row:  # noqa: ANN401 - any field
    """Make a row of a cell."""
    fields: dict[str, Any] = {"label": "losses=none", "seed": 0, "stage": "tune", "step": 3, "steps": 8, "losses": {}}
    return Row(state=state, **fields | changed)  # type: ignore[arg-type]


def shown(table: object) -> str:
    """Draw a table on a wide terminal."""
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_dry_run_lists_cells_and_costs_and_writes_nothing(remgcl: Call, grid: Path) -> None:
    before = sorted(Path().iterdir())
    ended = remgcl("grid", "run", grid, "--dry-run")
    assert ended.code == 0, ended.err
    assert sorted(Path().iterdir()) == before
    lines = [" ".join(line.replace("│", " ").split()) for line in ended.out.splitlines()]
    assert "losses=none, weight=0.25 (baseline) 2 pretrain > tune 0/2" in lines
    assert "losses=none, weight=0.5 2 pretrain > tune 0/2 losses=none, weight=0.25" in lines
    assert [line for line in lines if line.startswith("pretrain all 6 cells 2 2 3 8 ")]
    assert lines[-1].startswith(
        "small-losses: 6 cells x 2 seeds = 12; 12 different stages for 24, 0 finished, 12 to train, "
    )


def test_a_baseline_that_is_two_cells_is_told(remgcl: Call, grid: Path) -> None:
    grid.write_text(
        GRID.replace(', "losses.mine.weight" = 0.25 }', " }").replace("[axes]", "[axes]\nbatch_size = [1, 2]")
    )
    ended = remgcl("grid", "run", grid)
    assert (ended.code, ended.err) == (
        2,
        "error: grid.toml: baseline: is 4 cells; name values of 'batch_size', 'losses.mine.weight' too\n",
    )


def test_the_table_shows_what_runs_first_where_not_all_fits(engine: Engine, grid: Path) -> None:
    plan = plan_grid(engine, read_grid(engine, grid))
    rows = [
        row("finished", metric=0.75),
        row("waiting", step=0),
        row("failed", error="it failed"),
        row("running", left=61.4, losses={"language": 1.5, "global": 0.25}),
    ]
    told = shown(grid_table.live(rows, plan, 40))
    assert "exact_match" in told
    lines = [" ".join(line.replace("│", " ").split()) for line in told.splitlines()]
    assert lines[3:7] == [
        "losses=none 0 finished tune 3/8 0.75",
        "losses=none 0 waiting tune 0/8",
        "losses=none 0 failed tune 3/8",
        "losses=none 0 running tune 3/8 language 1.500 global 0.250 0:01:01",
    ]
    assert lines[-1] == "1 running, 1 failed, 1 waiting, 1 finished"
    few = shown(grid_table.live(rows, plan, grid_table.FRAME + 2))
    assert "running tune" in " ".join(few.replace("│", " ").split())
    assert "waiting" not in few.partition("└")[0]
    assert "1 running, 1 failed, 1 waiting, 1 finished; 2 not shown" in few


def test_without_a_terminal_a_line_is_printed_when_states_change(capsys: pytest.CaptureFixture[str]) -> None:
    lines = module._Lines(Console(width=80), "exact_match")
    lines.print([row("waiting"), row("waiting", label="losses=global")])
    for _ in range(2):
        lines.print([row("running", stage="pretrain"), row("running", stage="pretrain", label="losses=global")])
    lines.print([row("finished", metric=0.5), row("failed", label="losses=global")])
    lines.print([row("finished", metric=0.5), row("running", label="losses=global", left=12.4)])
    assert capsys.readouterr().out.splitlines() == [
        "losses=none and 1 more, seed 0: pretrain running (0/2 finished)",
        "losses=none, seed 0: tune finished, exact_match 0.5 (1/2 finished)",
        "losses=global, seed 0: tune failed (1/2 finished)",
        "losses=global, seed 0: tune running (1/2 finished, 12 s left of what runs)",
    ]


def test_a_failed_cell_is_told_at_the_end_with_its_error(
    remgcl: Call, grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(runs: Run, told: Callable[[list[Row]], None]) -> bool:
        runs.progress.failed[runs.plan.members[0].last] = "it failed\nbadly"
        told(runs.progress.rows())
        return False

    log = Path("runs/small-losses/stages/0/log.txt")
    rows = [row("failed", error="[red] it failed\nbadly", log=log), row("finished", seed=1)]
    monkeypatch.setattr(Run, "run", run)
    monkeypatch.setattr(GridProgress, "rows", lambda _: rows)
    ended = remgcl("grid", "run", grid)
    assert ended.code == 1
    assert f"losses=none, seed 0: tune: [red] it failed\nbadly\nits log: {log}\n" in ended.out
    assert ended.out.endswith("1 of 2 cells are finished, in runs/small-losses\n")


def test_a_report_tells_what_was_found_and_where_it_lies(
    remgcl: Call, grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_train", lambda *_: None)
    remgcl("grid", "run", grid)
    ended = remgcl("grid", "report", grid)
    assert ended.code == 0, ended.err
    assert "6 cells, 2 seeds, 12 runs: 0 finished, 12 missing.\n" in ended.out
    assert ended.out.endswith("runs/small-losses/report/summary.csv\n")
    assert "losses=none, weight=0.25 (baseline)" in Path("runs/small-losses/report/report.md").read_text()


def test_a_report_of_a_grid_that_was_never_run_is_an_error(remgcl: Call, grid: Path) -> None:
    ended = remgcl("grid", "report", grid)
    assert (ended.code, ended.err) == (
        2,
        "error: runs/small-losses: holds no grid; there is no grid.json, which remgcl grid run writes\n",
    )


# -- in processes of their own

TWO = """
name = "two"
base = "small.toml"
executor = { use = "local", slots = 1 }

[set]
stages = ["tune"]
"stages.tune.data.samples" = 120
"stages.tune.batch_size" = 2
"stages.tune.gradient_accumulation_steps" = 1
"stages.tune.save_steps" = 4
"stages.tune.logging_steps" = 1
"stages.tune.validation.pictures" = 0
"runner.threads" = 1

[axes]
losses = [[], ["mine"]]
"""


def until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something holds, as long as a process runs."""
    while not holds():
        assert process.poll() is None
        time.sleep(0.01)


def outcome(stage: Path) -> dict[str, bytes]:
    """Give all that a stage learned."""
    return {path.name: path.read_bytes() for path in (stage / "model").iterdir()}


@pytest.mark.slow
def test_a_grid_that_is_killed_goes_on_to_the_same_results(engine: Engine, recipe: Path) -> None:
    """The cell that trains ends with the grid, and is gone on with; what is finished is not trained again."""
    path = recipe.with_name("grid.toml")
    path.write_text(TWO)
    plan = plan_grid(engine, read_grid(engine, path))
    folder = GridFolder(Path("runs/two"))
    first, second = (folder.unit(member.last, "tune") for member in plan.members)
    command = [sys.executable, "-m", "remgcl", "grid", "run", str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    until(lambda: any(first.held.path.glob("checkpoints/step-*")), killed)
    trained = first.run
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 of 2 cells are finished" in again.stdout
    assert "tune: resumes from step" in first.log.read_text()
    assert not trained.busy
    assert second.log.read_text().count("tune: 120 samples") == 1
    for member, held in zip(plan.members, (first, second), strict=True):
        whole = RunFolder(Path("whole") / str(member.seed) / member.last)
        engine.run(plan.units[member.last].recipe, whole, Console(quiet=True), str(path))
        assert outcome(held.held.path) == outcome(whole.path / "tune")
        assert json.loads((held.held.path / "stage.json").read_text())["results"]["samples"] == 120
