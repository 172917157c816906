"""Run folders: written whole or not at all, recognised again, and models saved part by part."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from remgcl import RunError, RunFolder, StageFolder
from remgcl.core import checkpoint
from remgcl.core.checkpoint import load_part, save_parts, saved_parts, write

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
def run(tmp_path: Path) -> RunFolder:
    """A run folder that is not there yet."""
    return RunFolder(tmp_path / "runs" / "small")


@pytest.fixture
def finished(run: RunFolder) -> RunFolder:
    """A run folder in which stage `a` is finished."""
    run.stage("a").begin()
    run.stage("a").finish(INPUTS, {"samples": 3})
    return run


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a.json", b"new")
    assert files_of(tmp_path) == {"a.json": b"new"}


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"a longer old one")
    write(tmp_path / "a.json", b"new")
    assert files_of(tmp_path) == {"a.json": b"new"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_whose_writing_is_interrupted_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.json").write_bytes(b"old")
    owner = os if step == "fsync" else Path
    monkeypatch.setattr(owner, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"


def test_what_an_interrupted_writing_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.json.part").write_bytes(b"a much longer half")
    write(tmp_path / "a.json", b"new")
    assert files_of(tmp_path) == {"a.json": b"new"}


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


def test_beginning_clears_what_an_interrupted_attempt_left_there(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin()
    stage.metrics.write_text("{}\n")
    (stage.path / "model.part").mkdir()
    stage.begin()
    assert stage.path.is_dir()
    assert files_of(stage.path) == {}


def test_beginning_leaves_the_other_stages_alone(finished: RunFolder) -> None:
    before = files_of(finished.path)
    finished.stage("b").begin()
    assert files_of(finished.path) == before


def test_a_stage_is_finished_when_its_record_is_there_and_not_before(run: RunFolder) -> None:
    run.stage("a").begin()
    assert not run.finished("a", INPUTS)
    run.stage("a").finish(INPUTS, {"samples": 3})
    assert run.finished("a", INPUTS)
    assert run.stage("a").finished() == {"inputs": INPUTS, "results": {"samples": 3}}


def test_inputs_are_compared_as_they_are_written(run: RunFolder) -> None:
    """A tuple is a list in JSON, a path a string."""
    inputs = {"betas": (0.9, 0.999), "where": Path("a/b"), "sub": {"x": ()}}
    run.stage("a").begin()
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
    assert told(run.stage("a").begin) == f"{run.path / 'a'}: cannot be written; not a directory"
    assert told(lambda: run.finished("a", {})).startswith(f"{run.path / 'a' / 'stage.json'}: cannot be read; ")
    assert (tmp_path / "taken").read_text() == "mine"


class Tied(nn.Module):
    """Two names of one table, a buffer, and a number that is no float."""

    def __init__(self) -> None:
        """Draw weights."""
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.table.weight
        self.norm = nn.BatchNorm1d(4)
        self.norm(torch.randn(8, 4))
        self.register_buffer("scale", torch.randn(3, dtype=torch.bfloat16))


TABLES = {"vision_tower": {"use": "tiny"}, "projector": {"use": "linear"}, "backbone": {"use": "tiny"}}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, nn.Module]]:
    """A saved model without its tower, and the modules."""
    modules = {"projector": nn.Linear(3, 4), "backbone": Tied()}
    save_parts(modules, TABLES, tmp_path / "model")
    return tmp_path / "model", modules


def test_parts_are_saved_a_file_each_with_the_recipes_tables_of_all(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, _ = saved
    assert {path.name for path in folder.iterdir()} == {"projector.safetensors", "backbone.safetensors", "parts.json"}
    assert json.loads((folder / "parts.json").read_text()) == {
        "vision_tower": {"recipe": {"use": "tiny"}, "file": None},
        "projector": {"recipe": {"use": "linear"}, "file": "projector.safetensors"},
        "backbone": {"recipe": {"use": "tiny"}, "file": "backbone.safetensors"},
    }
    assert saved_parts(folder) == {
        "projector": folder / "projector.safetensors",
        "backbone": folder / "backbone.safetensors",
    }


def test_what_is_loaded_is_exactly_what_was_saved(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, modules = saved
    again = {"projector": nn.Linear(3, 4), "backbone": Tied()}
    for name, file in saved_parts(folder).items():
        load_part(again[name], file)
        state = modules[name].state_dict()
        loaded = again[name].state_dict()
        assert loaded.keys() == state.keys()
        for key, tensor in state.items():
            assert loaded[key].dtype == tensor.dtype
            assert torch.equal(loaded[key], tensor), key


def test_tensors_that_were_one_are_one_again(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, _ = saved
    again = Tied()
    load_part(again, saved_parts(folder)["backbone"])
    assert again.head.weight is again.table.weight


def test_a_part_without_tensors_is_saved_and_loaded_like_any_other(tmp_path: Path) -> None:
    save_parts({"projector": nn.Identity()}, TABLES, tmp_path / "model")
    load_part(nn.Identity(), saved_parts(tmp_path / "model")["projector"])


def test_a_model_that_is_there_is_replaced_as_a_whole(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, _ = saved
    new = nn.Linear(2, 2)
    save_parts({"projector": new}, TABLES, folder)
    assert {path.name for path in folder.iterdir()} == {"projector.safetensors", "parts.json"}
    again = nn.Linear(2, 2)
    load_part(again, saved_parts(folder)["projector"])
    assert torch.equal(again.weight, new.weight)


def test_a_model_whose_saving_is_interrupted_leaves_the_old_one_and_no_half(
    saved: tuple[Path, dict[str, nn.Module]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = saved
    before = files_of(folder)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_parts({"projector": nn.Linear(2, 2)}, TABLES, folder)
    assert files_of(folder) == before
    save_parts({"projector": nn.Linear(2, 2)}, TABLES, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    assert told(lambda: saved_parts(tmp_path)) == f"{tmp_path}: holds no saved model; there is no parts.json"
    assert told(lambda: saved_parts(tmp_path / "none")).endswith("holds no saved model; there is no parts.json")


@pytest.mark.parametrize(
    "content",
    [
        '{"projector": 3}',
        '{"projector": {}}',
        '{"projector": {"file": 3}}',
        '{"projector": {"file": []}}',
        '{"projector": {"file": "../projector.safetensors"}}',
        '{"projector": {"file": "/etc/passwd"}}',
        '{"projector": {"file": "backbone.safetensors"}}',
        '{"encoder": {"file": "encoder.safetensors"}}',
    ],
)
def test_a_list_of_parts_that_this_project_did_not_write_is_told(tmp_path: Path, content: str) -> None:
    """A file outside of the folder is never opened."""
    (tmp_path / "parts.json").write_text(content)
    (name,) = json.loads(content)
    assert told(lambda: saved_parts(tmp_path)) == f"{tmp_path / 'parts.json'}: {name}: is no saved part of a model"


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "cannot be read; Expecting value"), ("[]", "is not a JSON object"), ("nope", "cannot be read; Expecting")],
)
def test_a_broken_list_of_parts_is_told(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "parts.json").write_text(content)
    assert told(lambda: saved_parts(tmp_path)).startswith(f"{tmp_path / 'parts.json'}: {reason}")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Linear(3, 5), "size mismatch for weight: copying a param with shape torch.Size([4, 3])"),
        (nn.Sequential(nn.Linear(3, 4)), 'Missing key(s) in state_dict: "0.bias", "0.weight"'),
        (nn.Linear(3, 4, bias=False), 'Unexpected key(s) in state_dict: "bias"'),
        (nn.Identity(), 'Unexpected key(s) in state_dict: "bias", "weight"'),
    ],
    ids=["other shape", "missing", "left over", "none expected"],
)
def test_another_part_is_told_with_what_does_not_fit(
    saved: tuple[Path, dict[str, nn.Module]], module: nn.Module, reason: str
) -> None:
    file = saved_parts(saved[0])["projector"]
    message = told(lambda: load_part(module, file))
    assert message.startswith(f"{file}: cannot be loaded; Error(s) in loading state_dict")
    assert reason in message
    assert "\n" not in message


def test_of_a_very_long_reason_the_beginning_is_told(tmp_path: Path) -> None:
    save_parts({"projector": nn.Identity()}, TABLES, tmp_path / "model")
    large = nn.Sequential(*(nn.Linear(1, 1) for _ in range(99)))
    message = told(lambda: load_part(large, tmp_path / "model" / "projector.safetensors"))
    assert message.endswith(" ...")
    assert len(message) < len(str(tmp_path)) + 400


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_broken_file_is_told(saved: tuple[Path, dict[str, nn.Module]], kept: int) -> None:
    file = saved_parts(saved[0])["projector"]
    file.write_bytes(file.read_bytes()[:kept])
    assert told(lambda: load_part(nn.Linear(3, 4), file)).startswith(
        f"{file}: cannot be loaded; Error while deserializing header"
    )


def test_a_missing_file_is_told(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    file = saved_parts(saved[0])["projector"]
    file.unlink()
    assert told(lambda: load_part(nn.Linear(3, 4), file)).startswith(f"{file}: cannot be loaded; No such file")


def test_a_foreign_file_is_told_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    """A pickle may run code when it is read."""
    file = tmp_path / "projector.safetensors"
    torch.save(nn.Linear(3, 4).state_dict(), file)
    assert told(lambda: load_part(nn.Linear(3, 4), file)).startswith(f"{file}: cannot be loaded; ")
