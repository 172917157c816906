"""Loading: runs, stages and checkpoints become models; anything else is a clear error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

import remgcl
from remgcl import Engine, Job, Recipe, RequestError, RunError, RunFolder
from remgcl.core.recipe.recipe import PARTS
from remgcl.core.training import state

MakeRun = Callable[..., RunFolder]
Read = Callable[..., Recipe]


def projector(folder: Path, engine: Engine, **options: str) -> torch.Tensor:
    """Load a model and give a weight of its projector."""
    weight: torch.Tensor = next(remgcl.load(folder, engine=engine, **options).model.projector.parameters())  # type: ignore[arg-type]
    return weight


def test_a_run_is_its_last_finished_stage(make_run: MakeRun, engine: Engine) -> None:
    model = remgcl.load(make_run("pretrain", "tune").path, engine=engine)
    assert (model.name, model.stage) == ("small", "tune")
    assert model.template == model.recipe.stages["tune"].template
    assert model.provenance["results"] == {"samples": 1}
    assert model.provenance["stages"] == ["pretrain", "tune"]
    assert model.provenance["state"] == "finished"


def test_a_run_without_its_last_stage_is_the_one_before(make_run: MakeRun, engine: Engine) -> None:
    assert remgcl.load(make_run("pretrain").path, engine=engine).stage == "pretrain"


def test_a_stage_is_named_by_its_folder_its_model_or_its_key(make_run: MakeRun, engine: Engine) -> None:
    run = make_run("pretrain", "tune")
    first, last = projector(run.stage("pretrain").path, engine), projector(run.path, engine)
    assert not torch.equal(first, last)
    assert torch.equal(first, projector(run.stage("pretrain").model, engine))
    assert torch.equal(first, projector(run.path, engine, stage="pretrain"))


def test_weights_are_those_that_the_stage_saved(make_run: MakeRun, engine: Engine) -> None:
    run = make_run("pretrain", "tune")
    model = remgcl.load(run.path, engine=engine).model
    from safetensors.torch import load_file

    saved = load_file(run.stage("tune").model / "backbone.safetensors")
    assert saved
    held = model.backbone.state_dict()
    assert all(torch.equal(held[name], tensor) for name, tensor in saved.items())
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def checkpointed(run: RunFolder, recipe: Recipe, step: int = 7) -> Path:
    """Leave a checkpoint of the second stage, as an interruption does, with a projector of ninths."""
    folder = run.stage("tune")
    folder.begin({part: {} for part in PARTS})
    job = Job(recipe=recipe, name="tune", run=run, start=run.stage("pretrain"), inputs={}, console=Console(quiet=True))
    objective = job.build_objective(job.build_model())
    with torch.no_grad():
        for parameter in objective.model.projector.parameters():
            parameter.fill_(1 / 9)
    folder.checkpoints.clear_part()
    state.save(folder.checkpoints.part, "objective", state.learned(objective))
    folder.checkpoints.commit(step, keep=1)
    return folder.checkpoints.at(step)


def test_an_interrupted_stage_is_its_newest_checkpoint(make_run: MakeRun, engine: Engine, read: Read) -> None:
    run = make_run("pretrain")
    checkpoint = checkpointed(run, read())
    for path in (run.path, run.stage("tune").path, checkpoint):
        model = remgcl.load(path, engine=engine)
        assert model.stage == "tune"
        assert model.provenance["state"] == "checkpoint of step 7"
        assert (next(model.model.projector.parameters()) == 1 / 9).all()


def test_a_damaged_checkpoint_is_an_error(make_run: MakeRun, engine: Engine, read: Read) -> None:
    checkpoint = checkpointed(make_run("pretrain"), read())
    (checkpoint / "objective.json").unlink()
    with pytest.raises(RunError, match=r"is no valid checkpoint; objective\.json is missing"):
        remgcl.load(checkpoint, engine=engine)


def test_a_stage_that_has_neither_model_nor_checkpoint_is_an_error(make_run: MakeRun, engine: Engine) -> None:
    run = make_run("pretrain")
    with pytest.raises(RunError, match="stage 'tune' has a model or a valid checkpoint; run the recipe first"):
        remgcl.load(run.path, stage="tune", engine=engine)
    with pytest.raises(RunError, match="no stage 'tone'; did you mean 'tune'"):
        remgcl.load(run.path, stage="tone", engine=engine)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere", "there is no such folder"),
        ("red.png", "is a file, not the folder of a model"),
        (".", "is no model; it holds 'blue.png', 'cut.png', 'red.png'"),
    ],
)
def test_what_is_no_model_says_so(folder: Path, engine: Engine, name: str, told: str) -> None:
    with pytest.raises(RunError, match=told):
        remgcl.load(folder / name, engine=engine)


def test_a_lost_part_is_an_error_and_never_random(make_run: MakeRun, engine: Engine) -> None:
    run = make_run("pretrain", "tune")
    (run.stage("tune").model / "projector.safetensors").unlink()
    with pytest.raises(RunError, match=r"projector\.safetensors"):
        remgcl.load(run.path, engine=engine)


def test_a_template_a_device_and_a_dtype_can_be_chosen(make_run: MakeRun, engine: Engine) -> None:
    run = make_run("pretrain")
    model = remgcl.load(run.path, template="llama_2", device="cpu", dtype="bfloat16", engine=engine)
    assert type(model.template).__name__ == "Llama2"
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.bfloat16}
    assert isinstance(model.ask(None, "What?", max_new_tokens=2), str)
    for wrong, told in (
        ({"template": "lama_2"}, "no template 'lama_2'; did you mean 'llama_2'"),
        ({"dtype": "float8"}, "no dtype 'float8'; did you mean 'float"),
        ({"device": "abacus"}, "device 'abacus': cannot be used"),
    ):
        with pytest.raises(RequestError, match=told):
            remgcl.load(run.path, engine=engine, **wrong)  # type: ignore[arg-type]


def test_a_run_may_be_moved(make_run: MakeRun, engine: Engine, tmp_path: Path) -> None:
    run = make_run("pretrain", "tune")
    before = projector(run.path, engine)
    shutil.move(run.path, tmp_path / "elsewhere")
    assert torch.equal(before, projector(tmp_path / "elsewhere", engine))
    assert json.loads((tmp_path / "elsewhere" / "tune" / "stage.json").read_text())["results"] == {"samples": 1}
