"""Run folders: they describe themselves, are recognised again, and lose nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import RunError, RunFolder, StageFolder
from remgcl.core.files import whole as files

INPUTS = {"seed": 1, "stages": {"a": {"epochs": 1.0, "betas": [0.9, 0.999]}}, "data": {"a": "0f"}}


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(action: Callable[[], object]) -> str:
    """Tell what an action raises."""
    with pytest.raises(RunError) as raised:
        action()
    return str(raised.value)


@pytest.fixture
def finished(run: RunFolder) -> RunFolder:
    """A run folder in which stage `a` is finished."""
    run.stage("a").begin(INPUTS)
    run.stage("a").finish(INPUTS, {"samples": 3})
    return run


def test_a_stage_has_its_own_folder_with_its_files(tmp_path: Path) -> None:
    stage = RunFolder(tmp_path).stage("a")
    assert stage == StageFolder(tmp_path / "a")
    assert [path.name for path in (stage.metrics, stage.pictures, stage.model)] == [
        "metrics.jsonl",
        "answers.png",
        "model",
    ]


def test_looking_at_a_run_folder_makes_nothing(run: RunFolder) -> None:
    assert not run.finished("a", INPUTS)
    assert run.stage("a").finished() is None
    assert not run.path.exists()


def test_a_run_describes_itself(run: RunFolder) -> None:
    run.describe("name = 'small'\n", {"python": "3.12", "commit": None})
    assert (run.path / "recipe.toml").read_text() == "name = 'small'\n"
    assert json.loads((run.path / "about.json").read_text()) == {"python": "3.12", "commit": None}


def test_a_run_that_is_described_again_tells_the_last_recipe(run: RunFolder) -> None:
    run.describe("name = 'old'\n", {"python": "3.11"})
    run.describe("name = 'new'\n", {})
    assert files_of(run.path) == {"recipe.toml": b"name = 'new'\n", "about.json": b"{}\n"}


def test_letters_of_every_script_survive(run: RunFolder) -> None:
    run.describe("name = 'größe 文'\n", {"who": "文"})
    assert (run.path / "recipe.toml").read_text(encoding="utf-8") == "name = 'größe 文'\n"
    assert json.loads((run.path / "about.json").read_text(encoding="utf-8")) == {"who": "文"}


def test_beginning_leaves_the_other_stages_alone(finished: RunFolder) -> None:
    before = files_of(finished.path)
    finished.stage("b").begin(INPUTS)
    after = files_of(finished.path)
    assert after.pop("b/begun.json")
    assert after == before


def test_a_stage_is_finished_when_its_record_is_there_and_not_before(run: RunFolder) -> None:
    run.stage("a").begin(INPUTS)
    assert not run.finished("a", INPUTS)
    run.stage("a").finish(INPUTS, {"samples": 3})
    assert run.finished("a", INPUTS)
    assert run.stage("a").finished() == {"inputs": INPUTS, "results": {"samples": 3}}


def test_a_finished_stage_keeps_the_versions_that_it_was_finished_with(run: RunFolder) -> None:
    run.describe("", {"python": "3.11"})
    run.stage("a").begin(INPUTS)
    run.stage("a").finish(INPUTS, {})
    run.describe("", {"python": "3.12"})
    assert run.stage("a").finished() == {"inputs": INPUTS, "results": {}, "about": {"python": "3.11"}}
    assert run.finished("a", INPUTS)


def test_inputs_are_compared_as_they_are_written(run: RunFolder) -> None:
    """A tuple is a list in JSON, a path a string."""
    inputs = {"betas": (0.9, 0.999), "where": Path("a/b"), "sub": {"x": ()}}
    run.stage("a").begin(inputs)
    run.stage("a").finish(inputs, {})
    assert run.finished("a", inputs)


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"data": {"a": "1e"}}, "data.a was '0f' and is '1e'"),
        ({"stages": {"a": {"epochs": 1.0, "betas": [0.5, 0.5]}}}, "stages.a.betas was [0.9, 0.999] and is [0.5, 0.5]"),
        (
            {"stages": {"a": {"epochs": 2.0}}},
            "stages.a.betas was [0.9, 0.999] and is None; stages.a.epochs was 1.0 and is 2.0",
        ),
        ({"more": {"deep": True}}, "more.deep was None and is True"),
    ],
)
def test_a_stage_finished_with_other_inputs_is_refused_and_the_keys_are_told(
    finished: RunFolder, changed: dict[str, Any], keys: str
) -> None:
    before = files_of(finished.path)
    assert told(lambda: finished.finished("a", INPUTS | changed)) == (
        f"{finished.path}: stage 'a' is finished with another recipe: {keys}; "
        "name another folder with --folder, or delete this one"
    )
    assert files_of(finished.path) == before


def test_of_many_changed_keys_the_first_five_are_told(finished: RunFolder) -> None:
    changed = INPUTS | {f"key{number}": number for number in range(9)}
    message = told(lambda: finished.finished("a", changed))
    assert [f"key{number} was" in message for number in range(9)] == [True] * 5 + [False] * 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read; Expecting value: line 1 column 1 (char 0)"),
        (b'{"inputs": 3', "cannot be read; Expecting ',' delimiter: line 1 column 13 (char 12)"),
        (b"\xff", "cannot be read; 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"[]", "is not a JSON object"),
        (b"{}", "is no record of a stage; there is no table 'inputs' or no table 'results'"),
        (b'{"inputs": 3, "results": {}}', "is no record of a stage; there is no table 'inputs' or no table 'results'"),
        (b'{"inputs": {}}', "is no record of a stage; there is no table 'inputs' or no table 'results'"),
    ],
)
def test_a_record_that_this_project_did_not_write_is_told_by_its_file(
    finished: RunFolder, content: bytes, reason: str
) -> None:
    file = finished.stage("a").path / "stage.json"
    file.write_bytes(content)
    assert told(lambda: finished.finished("a", INPUTS)) == f"{file}: {reason}"


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    run = RunFolder(tmp_path / "taken")
    assert told(lambda: run.describe("", {})) == f"{run.path}: cannot be written; file exists"
    assert told(lambda: run.stage("a").begin(INPUTS)).startswith(f"{run.path / 'a' / 'begun.json'}: cannot be read; ")
    assert told(lambda: run.stage("a").begin(INPUTS, restart=True)) == (
        f"{run.path / 'a'}: cannot be written; not a directory"
    )
    assert told(lambda: run.finished("a", {})).startswith(f"{run.path / 'a' / 'stage.json'}: cannot be read; ")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_training_that_starts_while_another_process_asks_whether_one_runs_is_not_refused(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.path.mkdir(parents=True)
    asks = files.locked(run.path / "lock")
    assert asks.__enter__()
    monkeypatch.setattr(files, "sleep", lambda _: asks.__exit__(None, None, None))
    with run.alone():
        assert run.busy


def test_a_run_folder_is_busy_while_a_process_trains_in_it(run: RunFolder) -> None:
    assert not run.busy
    assert not run.path.exists()
    with run.alone():
        assert run.busy
        with pytest.raises(RunError, match=r"small: another process trains here; wait for its end, or"), run.alone():
            pass
    assert not run.busy


def test_a_folder_that_cannot_be_written_cannot_be_held(run: RunFolder) -> None:
    run.path.parent.parent.mkdir(exist_ok=True)
    run.path.parent.write_text("mine")
    with pytest.raises(RunError, match=r"small: cannot be written; not a directory"), run.alone():
        pass


def test_texts_are_written_as_they_are_and_bytes_of_no_text_as_escapes(tmp_path: Path) -> None:
    from remgcl.core.files.whole import as_json, read, write

    write(tmp_path / "a.json", as_json({"sign": "出口", "name": "\udce9"}))
    assert '"sign": "出口"' in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read(tmp_path / "a.json") == {"sign": "出口", "name": "\udce9"}
