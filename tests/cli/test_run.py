"""``remgcl run``: stages trained into a folder, and not trained twice."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import Engine, RunFolder

Call = Callable[..., Any]

SMALL = [
    "--set=stages.pretrain.data.samples=4",
    "--set=stages.pretrain.epochs=1",
    "--set=stages.tune.validation.pictures=1",
]


@pytest.fixture
def restarted() -> list[bool]:
    """Whether runs were asked to begin anew."""
    return []


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, restarted: list[bool]) -> list[Path]:
    """Run nothing, but note the folders that runs were asked to go to."""
    noted: list[Path] = []

    def run(_: Engine, __: object, folder: RunFolder, *___: object, restart: bool, **____: object) -> None:
        noted.append(folder.path)
        restarted.append(restart)

    monkeypatch.setattr(Engine, "run", run)
    return noted


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ([], "runs/small"),
        (["--set=name=other"], "runs/other"),
        (["--folder", "here/there"], "here/there"),
        (["--folder", "here", "--set=name=other"], "here"),
    ],
)
def test_a_run_goes_where_it_is_told_or_to_a_folder_of_its_name(
    remgcl: Call, recipe: Path, folders: list[Path], options: list[str], folder: str
) -> None:
    assert remgcl("run", recipe, *options).code == 0
    assert folders == [Path(folder)]


@pytest.mark.usefixtures("folders")
def test_interrupted_stages_begin_anew_where_it_is_asked_for(remgcl: Call, recipe: Path, restarted: list[bool]) -> None:
    assert remgcl("run", recipe).code == 0
    assert remgcl("run", recipe, "--restart").code == 0
    assert restarted == [False, True]


def test_stages_are_trained_and_the_finished_ones_are_not_trained_again(remgcl: Call, recipe: Path) -> None:
    first = remgcl("run", recipe, *SMALL)
    assert first.code == 0, first.err
    run = Path("runs/small")
    assert {path.name for path in run.iterdir()} == {"recipe.toml", "about.json", "lock", "pretrain", "tune"}
    record = json.loads((run / "tune" / "stage.json").read_text())
    assert record["results"]["terms"].keys() == {"language", "refined-local", "mine"}
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    again = remgcl("run", recipe, *SMALL)
    assert again.code == 0
    assert again.out.splitlines()[:2] == [
        "pretrain: finished already, in runs/small/pretrain",
        "tune: finished already, in runs/small/tune",
    ]
    assert again.out.splitlines()[2] == "model: runs/small/tune/model"

    changed = remgcl("run", recipe, *SMALL, "--set=stages.tune.epochs=2")
    assert changed.code == 2
    assert changed.err == (
        "error: runs/small: stage 'tune' is finished with another recipe: stages.tune.epochs was 1.0 and is 2.0; "
        "name another folder with --folder, or delete this one\n"
    )
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == files


def test_a_folder_that_cannot_be_written_is_told(remgcl: Call, recipe: Path) -> None:
    Path("taken").write_text("mine")
    ended = remgcl("run", recipe, *SMALL, "--folder", "taken")
    assert ended.code == 2
    assert ended.err.startswith("error: taken")
    assert Path("taken").read_text() == "mine"


def test_an_error_while_training_is_told_and_leaves_the_stage_unfinished(remgcl: Call, recipe: Path) -> None:
    ended = remgcl(
        "run", recipe, *SMALL, "--set=stages.pretrain.learning_rate=1e30", "--set=stages.pretrain.batch_size=1"
    )
    assert ended.code == 2
    assert re.search(
        r"^error: stage 'pretrain': step \d: the objective is not finite: language is (nan|inf); samples train-\d; "
        r"no parameter was changed$",
        ended.err,
        re.MULTILINE,
    )
    assert not Path("runs/small/pretrain/stage.json").exists()
