"""The folder of a stage: what it records when it begins and ends, and what is refused when something is missing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import RunError, RunFolder, StageFolder
from remgcl.core.files.manifest import Checkpoints

INPUTS = {"seed": 1, "stages": {"a": {"epochs": 1.0, "betas": [0.9, 0.999]}}, "data": {"a": "0f"}}


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(action: Callable[[], object]) -> str:
    """Tell what an action raises."""
    with pytest.raises(RunError) as raised:
        action()
    return str(raised.value)


def test_beginning_writes_what_the_stage_is_made_of_and_a_name_of_the_run(run: RunFolder) -> None:
    stage = run.stage("a")
    assert stage.begun() is None
    stage.begin(INPUTS)
    record = stage.begun()
    assert record is not None
    assert record["inputs"] == INPUTS
    assert files_of(stage.path).keys() == {"begun.json"}
    assert stage.checkpoints == Checkpoints(stage.path / "checkpoints", record["run"])


def test_beginning_again_goes_on_where_an_interrupted_attempt_was(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    stage.metrics.write_text("{}\n")
    before = files_of(stage.path)
    stage.begin(INPUTS)
    assert files_of(stage.path) == before


def test_beginning_anew_clears_what_an_interrupted_attempt_left_there(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    before = stage.begun()
    stage.metrics.write_text("{}\n")
    (stage.path / "model.part").mkdir()
    stage.begin(INPUTS | {"seed": 2}, restart=True)
    after = stage.begun()
    assert files_of(stage.path).keys() == {"begun.json"}
    assert before
    assert after
    assert after["inputs"]["seed"] == 2
    assert after["run"] != before["run"]  # its checkpoints are no longer this stage's


def test_beginning_with_other_inputs_is_refused_and_the_keys_are_told(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    before = files_of(run.path)
    assert told(lambda: stage.begin(INPUTS | {"seed": 2, "data": {"a": "1e"}})) == (
        f"{stage.path}: stage 'a' was begun with another recipe: data.a was '0f' and is '1e'; seed was 1 and is 2; "
        "name another folder with --folder, or start it over with --restart"
    )
    assert files_of(run.path) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read; Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "is not a JSON object"),
        (b'{"inputs": {}}', "is no record of a stage; there is no table 'inputs' or no text 'run'"),
        (b'{"run": "a"}', "is no record of a stage; there is no table 'inputs' or no text 'run'"),
        (b'{"run": 1, "inputs": {}}', "is no record of a stage; there is no table 'inputs' or no text 'run'"),
    ],
)
def test_a_beginning_that_this_project_did_not_write_is_told_by_its_file(
    run: RunFolder, content: bytes, reason: str
) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    (stage.path / "begun.json").write_bytes(content)
    assert told(lambda: stage.begin(INPUTS)) == f"{stage.path / 'begun.json'}: {reason}"
    stage.begin(INPUTS, restart=True)
    assert stage.begun()


def test_lines_of_metrics_are_added_and_taken_back(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    for step in (2, 4, 6):
        stage.log({"step": step})
    with stage.metrics.open("a") as file:
        file.write('{"step": 8, "terms": {}')
    stage.rewind(4)
    assert stage.metrics.read_text() == '{"step": 2}\n{"step": 4}\n'
    stage.rewind(0)
    assert stage.metrics.read_text() == ""


def test_metrics_that_a_full_disk_does_not_take_are_told(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    stage.metrics.symlink_to("/dev/full")
    assert told(lambda: stage.log({"step": 2})) == f"{stage.path}: cannot be written; no space left on device"


def test_a_record_of_a_stage_is_written_whole_or_told(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    stage.write(stage.before, {"exact_match": 0.5})
    assert json.loads(stage.before.read_text()) == {"exact_match": 0.5}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    assert told(lambda: stage.write(stage.before, {})) == f"{stage.path}: cannot be written; no space left on device"
    assert json.loads(stage.before.read_text()) == {"exact_match": 0.5}


def test_a_stage_of_another_run_is_never_begun_through_a_link(run: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "other")
    other.stage("a").begin(INPUTS)
    before = files_of(other.path)
    run.path.mkdir(parents=True)
    (run.path / "a").symlink_to(other.path / "a")
    for restart in (False, True):
        with pytest.raises(RunError, match=r"small/a: is a stage of another run, '.*other/a'; finish it there"):
            run.stage("a").begin({}, restart=restart)
    assert files_of(other.path) == before


def _logged(stage: StageFolder, *steps: int) -> None:
    for step in steps:
        stage.log({"step": step, "terms": {}})


def test_a_lost_record_of_a_begun_stage_is_told_and_nothing_is_replaced(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    _logged(stage, 1)
    (stage.path / "begun.json").unlink()
    before = files_of(run.path)
    assert told(lambda: stage.begin(INPUTS)) == (
        f"{stage.path}/begun.json: is missing, so it is unknown which recipe wrote: 'metrics.jsonl'; "
        "put the file back, or start the stage over with --restart"
    )
    assert files_of(run.path) == before
    stage.begin(INPUTS, restart=True)
    assert not stage.metrics.exists()


@pytest.mark.parametrize("left", [(), ("begun.json.part",)])
def test_a_folder_in_which_nothing_was_begun_is_begun(run: RunFolder, left: tuple[str, ...]) -> None:
    stage = run.stage("a")
    stage.path.mkdir(parents=True)
    for name in left:
        (stage.path / name).write_text("{")
    stage.begin(INPUTS)
    assert stage.begun() is not None


def test_lost_lines_of_metrics_are_told_and_the_others_kept(run: RunFolder) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    _logged(stage, 1, 2, 3, 4)
    assert stage.rewind(3, 3) is None
    assert len(stage.metrics.read_text().splitlines()) == 3
    whole = stage.metrics.read_bytes()
    stage.metrics.write_bytes(whole[: len(whole) // 2])
    assert stage.rewind(3, 3) == f"{stage.metrics}: 2 lines up to step 3 are missing or broken; the others are kept"
    assert stage.metrics.with_suffix(".damaged.jsonl").read_bytes() == whole[: len(whole) // 2]
    stage.metrics.unlink()
    assert "3 lines up to step 3 are missing" in str(stage.rewind(3, 3))


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b'{"step": "a"}\n', b"\xff\n", b"[" * 100_000 + b"\n"])
def test_a_broken_line_of_metrics_is_told(run: RunFolder, line: bytes) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    _logged(stage, 1)
    whole = stage.metrics.read_bytes()
    stage.metrics.write_bytes(line + whole)
    assert "1 lines up to step 2 are missing or broken" in str(stage.rewind(2, 1))
    assert stage.metrics.read_bytes() == whole


@pytest.mark.parametrize("held", ["", "{", "[]", "{}", '{"exact_match": "a"}', "\0"])
def test_a_damaged_record_of_the_answers_before_is_an_error_that_names_it(run: RunFolder, held: str) -> None:
    stage = run.stage("a")
    stage.begin(INPUTS)
    stage.before.write_text(held)
    assert told(lambda: stage.answered_before("exact_match")).startswith(f"{stage.before}: ")
    stage.before.write_text('{"exact_match": null}')
    assert stage.answered_before("exact_match") is None
    stage.before.write_text('{"exact_match": 0.5}')
    assert stage.answered_before("exact_match") == 0.5


@pytest.fixture
def with_model(run: RunFolder) -> StageFolder:
    """A finished stage with a sealed model."""
    from remgcl.core.files.manifest import sealed

    stage = run.stage("a")
    stage.begin(INPUTS)
    with sealed(stage.model) as part:
        (part / "parts.json").write_text('{"backbone": {}}')
        (part / "backbone.safetensors").write_bytes(b"weights")
    stage.finish(INPUTS, {})
    return stage


def test_a_model_that_is_as_it_was_saved_is_verified(with_model: StageFolder) -> None:
    with_model.verify_model()


def test_a_model_that_is_not_what_was_saved_is_refused_by_its_file(with_model: StageFolder) -> None:
    import shutil

    file = with_model.model / "parts.json"
    file.write_text("{}")
    assert "parts.json has changed since it was written" in told(with_model.verify_model)
    from remgcl.core.files.manifest import sealed

    with sealed(with_model.model) as part:  # by another hand
        (part / "parts.json").write_text("{}")
    assert "manifest.json: is not the list of the model that the stage saved" in told(with_model.verify_model)
    (with_model.model / "manifest.json").unlink()
    assert "there is no manifest.json" in told(with_model.verify_model)
    shutil.rmtree(with_model.model)
    assert told(with_model.verify_model) == (
        f"{with_model.model}: is missing; the stage is finished, and its model was saved there"
    )
