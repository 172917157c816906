"""Stages that start from published models and from runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file

import remgcl
from remgcl import Engine, FaultsError, Recipe, RecipeError, RunFolder
from remgcl.core.exchange.importing import import_model, understand
from remgcl.core.exchange.origins import origins
from tests.tiny_llava import original, projector_alone, tiny

Read = Callable[..., Recipe]
Run = Callable[..., str]


def tensors(folder: Path, part: str) -> dict[str, torch.Tensor]:
    """Read a part of a loaded model."""
    model = remgcl.load(folder, device="cpu").model
    return dict(model.get_submodule(part).state_dict())


def test_a_stage_trains_what_it_starts_from(train: Run, source: Path, tmp_path: Path) -> None:
    train()
    published, before = load_file(source / "model.safetensors"), tensors(tmp_path / "run", "backbone")
    assert all(torch.equal(before[name], each) for name, each in published.items() if "mm_projector" not in name)
    learned, own = tensors(tmp_path / "run", "projector"), {k: v for k, v in published.items() if "mm_projector" in k}
    moved = [(learned[name.removeprefix("model.mm_projector.")] - each).abs().max() for name, each in own.items()]
    assert all(0 < distance < 0.01 for distance in moved)  # two steps of 1e-3 away


def test_a_run_stands_alone_once_its_source_is_imported(train: Run, source: Path, tmp_path: Path) -> None:
    train()
    before = tensors(tmp_path / "run", "projector")
    source.rename(source.with_name("away"))
    (tmp_path / "run").rename(tmp_path / "moved")
    after = tensors(tmp_path / "moved", "projector")
    assert all(torch.equal(before[name], each) for name, each in after.items())


def test_a_model_beside_a_recipe_is_no_stage_of_a_run(begin: Read, source: Path) -> None:
    (source.parent / "recipe.toml").write_text("name = 'other'\n[stages.llava]\n")
    assert begin().vision_tower.spec().width
    assert remgcl.load(source, device="cpu").provenance["format"] == "llava"


def test_template_and_image_settings_are_those_of_the_source_unless_given(begin: Read) -> None:
    assert type(begin().stages["more"].template).__name__ == "V1"
    assert begin().stages["more"].image_aspect == "pad"
    given = begin("stages.more.template=plain", "stages.more.image_aspect=crop").stages["more"]
    assert (type(given.template).__name__, given.image_aspect) == ("Plain", "crop")


def test_settings_of_a_part_may_be_given_beside_the_source(begin: Read) -> None:
    recipe = begin("backbone.use=causal_lm", "backbone.attention=eager")
    assert recipe.backbone.attention == "eager"  # type: ignore[attr-defined]
    assert recipe.vision_tower.layer == -2  # type: ignore[attr-defined]


def test_a_check_reports_what_comes_from_where(begin: Read, engine: Engine, source: Path) -> None:
    recipe = begin("stages.more.template=plain", "vision_tower.use=clip", "vision_tower.layer=-1")
    told = origins(recipe, engine.table(recipe))["more"]
    assert told["backbone"] == ("causal_lm", f"{source} (llava)")
    assert told["tokenizer"][1].startswith(f"{source} (llava)")
    assert told["vision_tower"] == ("clip", f"{source} (llava); the recipe sets layer = -1, there -2")
    assert told["template"] == ("plain", "the recipe; there 'v1'")


def test_a_projector_alone_joins_the_parts_of_the_recipe(
    begin: Read, train: Run, engine: Engine, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "imported")
    import_model(understand(tmp_path / "llava", engine.registry), run, engine.registry)
    other = tiny(seed=1)
    file = projector_alone(other, tmp_path / "mm_projector.bin")
    model = run.path / "import" / "model"
    parts = [
        f"stages.more.from={file}",
        "stages.more.template=v1",
        "stages.more.learning_rate=1e-9",
        "vision_tower.use=clip",
        f"vision_tower.weights={model / 'vision_tower'}",
        "backbone.use=causal_lm",
        f"backbone.weights={model / 'backbone'}",
    ]
    told = origins(begin(*parts), engine.table(begin(*parts)))["more"]
    assert told["projector"] == ("mlp2x_gelu", f"{file} (mm_projector)")
    assert told["backbone"] == ("causal_lm", f"the recipe: {model / 'backbone'}")
    train(*parts)
    learned = tensors(tmp_path / "run", "projector")
    assert all((learned[name] - each).abs().max() < 1e-6 for name, each in other.projector.state_dict().items())


def test_a_projector_alone_needs_tower_and_backbone(begin: Read, tmp_path: Path) -> None:
    file = projector_alone(tiny(), tmp_path / "mm_projector.bin")
    with pytest.raises(RecipeError, match=r"vision_tower: is missing; '.*mm_projector\.bin' holds none") as told:
        begin(f"stages.more.from={file}", "stages.more.template=v1")
    assert [fault.key for fault in told.value.faults] == ["vision_tower", "backbone"]


def test_a_projector_that_does_not_fit_is_refused_before_training(
    train: Run, source: Path, tmp_path: Path, engine: Engine
) -> None:
    run = RunFolder(tmp_path / "imported")
    import_model(understand(source, engine.registry), run, engine.registry)
    torch.save({"mm_projector.weight": torch.zeros(48, 32), "mm_projector.bias": torch.zeros(48)}, tmp_path / "p.bin")
    model = run.path / "import" / "model"
    with pytest.raises(
        FaultsError, match=r"more\.from: its projector does not fit .*'bias' is \(48,\) there, and must be"
    ):
        train(
            f"stages.more.from={tmp_path / 'p.bin'}",
            "stages.more.template=v1",
            f"vision_tower={{use='clip', weights='{model / 'vision_tower'}'}}",
            f"backbone={{use='causal_lm', weights='{model / 'backbone'}'}}",
        )
    assert not (tmp_path / "run").exists()


def test_a_run_is_a_start_and_what_it_learned_is_kept(train: Run, tmp_path: Path) -> None:
    train("stages.more.train=['backbone','projector']", folder="first")
    train(f"stages.more.from={tmp_path / 'first'}", "stages.more.learning_rate=1e-9", folder="second")
    first, second = tensors(tmp_path / "first", "backbone"), tensors(tmp_path / "second", "backbone")
    assert all(torch.equal(first[name], each) for name, each in second.items())
    train(f"stages.more.from={tmp_path / 'first' / 'more'}", "stages.more.learning_rate=1e-9", folder="third")
    third = tensors(tmp_path / "third", "projector")
    assert all(
        (third[name] - each).abs().max() < 1e-6 for name, each in tensors(tmp_path / "first", "projector").items()
    )


def test_a_run_that_was_trained_again_is_another_start(train: Run, tmp_path: Path) -> None:
    train(folder="first")
    train(f"stages.more.from={tmp_path / 'first'}", folder="second")
    remgcl_files = tmp_path / "first" / "more"
    for file in sorted(remgcl_files.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    train("stages.more.learning_rate=0.1", folder="first")
    with pytest.raises(remgcl.RunError, match=r"finished with another recipe: sources\.more was '\w+' and is '\w+'"):
        train(f"stages.more.from={tmp_path / 'first'}", folder="second")


def test_a_stage_that_is_not_finished_is_no_start(train: Run, begin: Read, tmp_path: Path) -> None:
    train(folder="first")
    (tmp_path / "first" / "more" / "stage.json").unlink()
    with pytest.raises(RecipeError, match=r"more\.from: .*first: no stage is finished, so nothing can start from it"):
        begin(f"stages.more.from={tmp_path / 'first'}")
    with pytest.raises(RecipeError, match=r"more\.from: .*first: stage 'more' is not finished, so nothing can start"):
        begin(f"stages.more.from={tmp_path / 'first' / 'more'}")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["vision_tower.use=siglip"], r"vision_tower\.use: is 'siglip'; '.*llava' holds 'clip'"),
        (["projector=linear"], r"projector\.use: is 'linear'; '.*llava' holds 'mlp2x_gelu'"),
        (
            ["backbone.use=causal_lm", "backbone.weights=lmsys/vicuna-7b-v1.5"],
            r"backbone\.weights: is 'lmsys/vicuna-7b-v1\.5'; '.*llava' holds this part, so leave the key out",
        ),
        (["stages.more.after=more"], r"stages\.more\.from: cannot stand beside 'after'"),
        (["stages.more.from=/nowhere"], r"stages\.more\.from: /nowhere: there is no such file or folder"),
        (["stages.more.from=3"], r"stages\.more\.from: must be a string; it is 3"),
        (
            ["vision_tower.use=clip", "vision_tower.weights=/no"],
            r"more\.from: .*vision tower '/no' cannot be found; name its folder or hub id with vision_tower\.weights",
        ),
        (["backbone.atention=eager"], r"backbone\.atention: is not a key here; did you mean 'attention'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(begin: Read, overrides: list[str], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        begin(*overrides)


def test_all_faults_are_reported_at_once(begin: Read) -> None:
    with pytest.raises(RecipeError) as told:
        begin("stages.more.from=/nowhere", "stages.more.epochs=no", "sed=3")
    assert [fault.key for fault in told.value.faults] == ["stages.more.from", "stages.more.epochs", "sed"]


def test_one_recipe_has_the_parts_of_one_model(engine: Engine, source: Path, tmp_path: Path, begin: Read) -> None:
    recipe = tmp_path / "two.toml"
    table = engine.table(begin())
    stage = table["stages"]["more"]
    table["stages"] = {name: {**stage, "from": str(source)} for name in ("one", "two")}
    recipe.write_text(tomli_w.dumps({key: table[key] for key in ("name", "runner", "stages")}))
    with pytest.raises(RecipeError, match=r"stages\.two\.from: stage 'one' starts from a whole model already"):
        engine.read(recipe)


def test_a_tower_that_the_source_does_not_bring_is_that_of_the_recipe(begin: Read, source: Path) -> None:
    tower = source.with_name("llava-tower")
    tower.rename(tower.with_name("tower"))
    with pytest.raises(RecipeError, match=r"its vision tower 'llava-tower' cannot be found"):
        begin()
    assert begin("vision_tower.use=clip", f"vision_tower.weights={tower.with_name('tower')}").vision_tower.spec().width


def test_an_interrupted_stage_resumes_from_the_import_and_can_be_loaded(train: Run, tmp_path: Path) -> None:
    train("stages.more.save_steps=1")
    whole = tensors(tmp_path / "run", "projector")
    run = tmp_path / "run" / "more"
    (run / "stage.json").unlink()
    for file in (run / "model").iterdir():
        file.unlink()
    (run / "model").rmdir()
    loaded = tensors(tmp_path / "run", "projector")  # of the checkpoint
    assert all(torch.equal(whole[name], each) for name, each in loaded.items())
    told = train("stages.more.save_steps=1")
    assert "imports" not in told
    assert all(torch.equal(whole[name], each) for name, each in tensors(tmp_path / "run", "projector").items())


def test_a_source_that_has_changed_is_refused_by_name(train: Run, source: Path, tmp_path: Path) -> None:
    train()
    (source / "model.safetensors").touch()  # the same content
    train()
    held = load_file(source / "model.safetensors")
    save_file({name: each + 1 for name, each in held.items()}, source / "model.safetensors")
    with pytest.raises(
        remgcl.RunError, match=r"llava: has changed since stage 'more' was begun .*'model\.safetensors'"
    ):
        train()
    with pytest.raises(remgcl.RunError, match="has changed"):
        train(restart=True)  # it is finished
    (tmp_path / "run" / "more" / "stage.json").unlink()
    told = train(restart=True)
    assert "imports" in told


def test_an_import_that_was_interrupted_is_made_anew(train: Run, tmp_path: Path) -> None:
    left = tmp_path / "run" / "sources" / "more" / "import" / "model.part"
    left.mkdir(parents=True)
    (left / "half.safetensors").write_bytes(b"")
    assert "imports" in train()
    assert not left.exists()


@pytest.mark.usefixtures("begin")
def test_a_grid_starts_from_runs_only(engine: Engine, train: Run, tmp_path: Path) -> None:
    from remgcl.core.grid.plan import plan_grid, read_grid

    file = tmp_path / "grid.toml"
    file.write_text(
        'name = "g"\nbase = "more.toml"\nmetrics = ["terms.language"]\nexecutor = "local"\n'
        'axes = { "stages.more.learning_rate" = [1e-3, 1e-4] }\n'
    )
    with pytest.raises(
        FaultsError, match=r"stages\.more\.from: a grid starts from runs; import it once with: remgcl import"
    ):
        read_grid(engine, file)
    train(folder="first")
    grid = read_grid(engine, file, [f"stages.more.from={tmp_path / 'first'}"])
    assert len(plan_grid(engine, grid).units) == 2


def test_the_record_of_a_run_names_the_source(train: Run, source: Path, tmp_path: Path) -> None:
    train()
    held = json.loads((tmp_path / "run/sources/more/source.json").read_text("utf-8"))
    assert held["source"] == str(source)
    assert held["files"]["model.safetensors"]["size"] == (source / "model.safetensors").stat().st_size
    inputs = json.loads((tmp_path / "run/more/stage.json").read_text("utf-8"))["inputs"]
    assert inputs["backbone"]["weights"] == "{from.more}/import/model/backbone"


def test_a_source_under_another_name_is_the_same(train: Run, source: Path) -> None:
    train()
    other = source.with_name("elsewhere") / "llava"
    other.parent.mkdir()
    source.with_name("llava-tower").rename(other.parent / "llava-tower")
    source.rename(other)
    assert "finished already" in train(f"stages.more.from={other}")


def test_a_model_with_markers_is_a_start(train: Run, tmp_path: Path) -> None:
    other = original(tiny(markers=True), tmp_path / "marked")
    train(f"stages.more.from={other}")
    assert remgcl.load(tmp_path / "run", device="cpu").encoder.image_markers
