"""Grids that run: each different stage once, nothing finished again, nothing lost."""

import errno
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from remgcl import RunError, RunFolder
from remgcl.core.grid import folder as folder_module
from remgcl.core.grid import run as module

Grids: TypeAlias = Any
"""The class of the fixture, which no test can import."""

LOSSES = '[axes]\nlosses = [[], ["global"], ["global", "refined-local"]]'
TUNES = ["tune", "tune+global", "tune+global+refined-local"]


def states(grids: Grids) -> dict[tuple[str, int], str]:
    """Tell how the cells ended."""
    return {(row.label, row.seed): row.state for row in grids.rows}


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder, but those that tell who holds it."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items()}


def test_stages_that_cells_share_are_trained_once_for_each_seed(grids: Grids) -> None:
    assert sorted(grids.run(f"seeds = [1, 2]\n{LOSSES}")) == sorted(["pretrain", *TUNES] * 2)
    assert grids.whole
    assert list(states(grids).values()) == ["finished"] * 6


def test_cells_of_one_recipe_are_trained_once(grids: Grids) -> None:
    ran = grids.run('[axes]\nlosses = [[], ["global"]]\n"losses.global.weight" = [0.5, 1.0]')
    assert ran == ["pretrain", "tune", "tune+global", "tune+global"]
    assert list(states(grids)) == [
        ("losses=none, weight=0.5", 3),
        ("losses=none, weight=1", 3),
        ("losses=global, weight=0.5", 3),
        ("losses=global, weight=1", 3),
    ]


def test_a_grid_that_is_finished_trains_nothing_again(grids: Grids) -> None:
    grids.run(LOSSES)
    before = files_of(grids.folder.path)
    assert grids.run(LOSSES) == []
    assert grids.whole
    assert files_of(grids.folder.path) == before


def test_an_edited_base_trains_what_changed_and_keeps_the_rest(grids: Grids, file: Path) -> None:
    grids.run(LOSSES)
    before = files_of(grids.folder.path / "stages")
    original = file.read_text()
    file.write_text(original.replace("weight = 0.5", "weight = 0.25"))
    assert grids.run(LOSSES) == ["tune+global", "tune+global+refined-local"]
    file.write_text(original.replace("samples = 5", "samples = 6"))
    assert grids.run(LOSSES) == ["pretrain", *TUNES]
    file.write_text(original)
    assert grids.run(LOSSES) == []
    assert before.items() <= files_of(grids.folder.path / "stages").items()


def test_a_cell_that_is_added_is_trained_alone(grids: Grids) -> None:
    grids.run("[axes]\nlosses = [[]]")
    assert grids.run('seeds = [3, 4]\n[axes]\nlosses = [[], ["global"]]') == [
        "tune+global",
        "pretrain",
        "tune",
        "tune+global",
    ]


def test_a_stage_that_fails_keeps_its_error_and_the_others_go_on(grids: Grids) -> None:
    assert grids.run(LOSSES, "runner.fails=refined-local") == ["pretrain", *TUNES]
    assert not grids.whole
    assert list(states(grids).values()) == ["finished", "finished", "failed"]
    told = "stage 'tune': the objective is not finite\nand more"
    assert [row.error for row in grids.rows] == [None, None, told]
    assert told.splitlines()[0] in grids.rows[-1].log.read_text()
    (kept,) = grids.folder.path.glob("stages/*/failed.json")
    assert json.loads(kept.read_text()) == {"error": told}
    assert grids.run(LOSSES) == ["tune+global+refined-local"]
    assert grids.whole
    assert not kept.exists()


def test_the_error_is_that_of_the_last_attempt(grids: Grids) -> None:
    grids.run(LOSSES, "runner.fails=refined-local")
    (kept,) = grids.folder.path.glob("stages/*/failed.json")
    log = kept.with_name("log.txt")
    log.write_text("error: of yore\n")
    grids.run(LOSSES, "runner.fails=refined-local")
    assert grids.rows[-1].error == "stage 'tune': the objective is not finite\nand more"


def test_a_cell_whose_pretraining_failed_fails_and_says_so(grids: Grids) -> None:
    assert grids.run(LOSSES, "runner.fails=pretrain") == ["pretrain"]
    assert list(states(grids).values()) == ["failed"] * 3
    assert {row.stage for row in grids.rows} == {"pretrain"}
    told = [json.loads(path.read_text())["error"] for path in grids.folder.path.glob("stages/*/failed.json")]
    assert sorted(told)[:3] == ["stage 'pretrain', which it starts from, failed"] * 3


@pytest.mark.parametrize(
    ("code", "printed", "told"),
    [
        (0, "", "ended with code 0; it printed nothing"),
        (1, "Traceback\nZeroDivisionError: a bug\n\n", "ended with code 1; ZeroDivisionError: a bug"),
        (-9, "step 3\n", "ended by signal SIGKILL; step 3"),
    ],
)
def test_a_training_that_ends_without_a_word_is_told_by_how_it_ended(
    grids: Grids, monkeypatch: pytest.MonkeyPatch, code: int, printed: str, told: str
) -> None:
    def submit(_: object, task: Any) -> Future[int]:  # noqa: ANN401 - a task
        task.log.write_text(printed)
        future = Future[int]()
        future.set_result(code)
        return future

    grids.prepare("")
    monkeypatch.setattr(type(grids.prepare("").plan.grid.file.executor), "submit", submit)
    grids.run("")
    assert [row.error for row in grids.rows] == [told]


def test_a_task_leaves_out_the_plugins_that_are_left_out_here(grids: Grids, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it does on other machines, which have no environment variable of this one."""
    commands = []

    def submit(_: object, task: Any) -> Future[int]:  # noqa: ANN401 - a task
        commands.append(task.command)
        future = Future[int]()
        future.set_result(0)
        return future

    monkeypatch.setattr(type(grids.prepare("").plan.grid.file.executor), "submit", submit)
    monkeypatch.setenv("REMGCL_WITHOUT", "remgcl.ocr_engines, acme")
    grids.run("")
    (command,) = commands
    assert command[1:8] == ("-m", "remgcl", "--without", "acme", "--without", "remgcl.ocr_engines", "run")


@pytest.mark.parametrize("fails", ["submit", "bug", "future", "cancel"])
def test_whatever_an_executor_meets_fails_its_stage_alone(
    grids: Grids, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    executor = type(grids.prepare("").plan.grid.file.executor)
    whole = executor.submit

    def submit(self: object, task: Any) -> Future[int]:  # noqa: ANN401 - a task
        if "refined" not in Path(task.command[4]).read_text():
            future: Future[int] = whole(self, task)
            return future
        if fails == "submit":
            raise RunError("no machine answers")
        if fails == "bug":
            raise OSError("no machine answers")
        future = Future[int]()
        if fails == "future":
            future.set_exception(ZeroDivisionError("no machine answers"))
        else:
            future.cancel()
        return future

    monkeypatch.setattr(executor, "submit", submit)
    grids.run(LOSSES)
    assert list(states(grids).values()) == ["finished", "finished", "failed"]
    assert grids.rows[-1].error == ("was cancelled" if fails == "cancel" else "no machine answers")


@pytest.mark.parametrize("damage", ["no json", '{"inputs": {}, "results": {}}'])
def test_a_stage_whose_record_cannot_be_used_fails_alone(grids: Grids, damage: str) -> None:
    grids.run(LOSSES)
    record = grids.folder.path / "cells" / "losses=global" / "seed-3" / "stage.json"
    record.write_text(damage)
    assert grids.run(f"seeds = [3, 4]\n{LOSSES}") == ["pretrain", *TUNES]
    assert not grids.whole
    assert list(states(grids).values()) == ["finished", "failed", "finished"] + ["finished"] * 3
    assert any(told in grids.rows[1].error for told in ("cannot be read", "is finished with another recipe"))
    assert record.read_text() == damage


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_grid_goes_on_with_the_same_command(grids: Grids, kind: signal.Signals) -> None:
    before = signal.getsignal(kind)
    executor = grids.prepare("").plan.grid.file.executor
    executor.before["tune+global"] = lambda: signal.raise_signal(kind)
    with pytest.raises(RunError, match=r"^grid 'g': interrupted; run it again to resume$"):
        grids.run(LOSSES)
    assert signal.getsignal(kind) is before
    assert executor.ran == ["pretrain", "tune"]
    executor.before.clear()
    assert grids.run(LOSSES) == ["tune+global", "tune+global+refined-local"]


def test_a_grid_that_shall_outlive_its_terminal_does(grids: Grids) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    executor = grids.prepare("").plan.grid.file.executor
    executor.before["tune"] = lambda: signal.raise_signal(signal.SIGHUP)
    try:
        grids.run(LOSSES)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert grids.whole


def test_a_grid_that_is_being_run_is_refused(grids: Grids) -> None:
    executor = grids.prepare("").plan.grid.file.executor
    told: list[str] = []

    def again() -> None:
        with pytest.raises(RunError) as raised:
            grids.prepare(LOSSES).run(lambda _: None)
        told.append(str(raised.value))

    executor.before["tune"] = again
    grids.run(LOSSES)
    assert told == [f"{grids.folder.path}: the grid is being run already; wait for its end, or name another folder"]
    assert grids.whole


def test_a_stage_that_another_process_still_trains_is_waited_for(grids: Grids, monkeypatch: pytest.MonkeyPatch) -> None:
    run = grids.prepare("")
    pretrain = next(iter(run.plan.units.values()))
    other = grids.folder.unit(pretrain.digest, "pretrain").run.alone()
    other.__enter__()
    waited: list[bool] = []

    def sleep(_: float) -> None:
        waited.append(bool(run.plan.grid.file.executor.ran))
        if len(waited) == 2:
            other.__exit__(None, None, None)

    monkeypatch.setattr(module, "sleep", sleep)
    run.plan.grid.file.executor.ran.clear()
    assert run.run(lambda _: None)
    assert waited == [False, False]


def test_a_run_folder_of_the_grid_is_whole_and_links_to_what_it_starts_from(grids: Grids, tmp_path: Path) -> None:
    grids.run(f"seeds = [3, 4]\n{LOSSES}")
    moved = grids.folder.path.rename(tmp_path / "moved")
    links = sorted(moved.glob("cells/*/*"))
    assert [str(link.relative_to(moved)) for link in links] == [
        f"cells/losses={name}/seed-{seed}" for name in ("global", "global+refined-local", "none") for seed in (3, 4)
    ]
    for link in links:
        assert json.loads((link / "stage.json").read_text())["inputs"]["seed"] == int(link.name[-1])
        run = RunFolder(link.resolve().parent)
        assert {path.name for path in run.path.iterdir()} >= {
            "recipe.toml",
            "about.json",
            "log.txt",
            "tune",
            "pretrain",
        }
        assert run.stage("pretrain").finished() is not None
        assert list(grids.engine.read(run.recipe).stages) == ["pretrain", "tune"]
    assert len({os.path.realpath(link / ".." / ".." / "..") for link in links}) == 1


def test_cells_that_are_gone_leave_no_link(grids: Grids) -> None:
    grids.run(LOSSES)
    grids.run("")
    assert [path.name for path in (grids.folder.path / "cells").iterdir()] == ["base"]
    assert len(list((grids.folder.path / "stages").iterdir())) == 4


def test_a_full_disk_fails_a_stage_and_loses_no_finished_one(grids: Grids, monkeypatch: pytest.MonkeyPatch) -> None:
    grids.run("[axes]\nlosses = [[]]")
    before = files_of(grids.folder.path / "stages")
    write: Callable[..., None] = folder_module.write

    def full(path: Path, content: bytes) -> None:
        if path.name != "grid.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "write", full)
        assert grids.run(LOSSES) == []
    assert list(states(grids).values()) == ["finished", "failed", "failed"]
    assert grids.rows[1].error.endswith("cannot be written; no space left on device")
    assert before.items() <= files_of(grids.folder.path / "stages").items()
    assert grids.run(LOSSES) == TUNES[1:]


def test_a_disk_that_takes_not_even_the_list_of_cells_is_told(grids: Grids, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_module, "write", full)
    with pytest.raises(RunError, match=r"grid: cannot be written; no space left on device$"):
        grids.run(LOSSES)
