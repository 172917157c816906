"""A stage trained by the Trainer of transformers: what it writes, repeats, refuses."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import frozen
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from remgcl import (
    Census,
    DataError,
    Dataset,
    Engine,
    Features,
    Job,
    Loss,
    Recipe,
    RunError,
    RunFolder,
    Sample,
    hookimpl,
)
from remgcl.core.model.objective import Objective
from remgcl.core.training.arguments import arguments
from remgcl.core.training.sampler import Order
from remgcl.core.training.trainer import StageTrainer
from remgcl.plugins import backbones, datasets, losses, projectors, runners, templates, vision_towers
from remgcl.plugins.losses.global_ import Global

BUILT_IN = (backbones, datasets, losses, projectors, runners, templates, vision_towers)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _job(recipe: Recipe, folder: Path, name: str = "first") -> Job:
    run = RunFolder(folder)
    inputs = {"vision_tower": {}, "projector": {}, "backbone": {}}
    run.stage(name).begin(inputs)
    return Job(recipe=recipe, name=name, run=run, start=None, inputs=inputs, console=Console(quiet=True))


@pytest.fixture(scope="module")
def finished(engine: Engine, small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of both stages."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "small.toml"
    path.write_text(small)
    recipe = engine.read(path)
    with (folder / "told.txt").open("w") as told:
        engine.run(recipe, RunFolder(folder / "run"), Console(file=told, width=200), str(path))
    return folder


def test_a_run_folder_holds_what_the_documentation_says(finished: Path) -> None:
    paths = [path.relative_to(finished / "run") for path in (finished / "run").rglob("*") if path.is_file()]
    checkpoint = {
        "manifest.json",
        "objective.json",
        "objective.safetensors",
        "optimizer.json",
        "optimizer.safetensors",
        "rank-0.json",
        "rank-0.safetensors",
        "trainer_state.json",
        "training.json",
    }
    assert {str(path) for path in paths if not {"checkpoints", "tensorboard"} & {*path.parts}} == {
        "about.json",
        "lock",
        "recipe.toml",
        *(f"{stage}/{name}.json" for stage in ("first", "second") for name in ("stage", "begun", "before")),
        "first/metrics.jsonl",
        "first/answers.png",
        "second/metrics.jsonl",
        *(
            f"{stage}/model/{name}"
            for stage in ("first", "second")
            for name in (
                "manifest.json",
                "parts.json",
                *(f"{part}.safetensors" for part in ("vision_tower", "projector", "backbone")),
            )
        ),
    }
    assert {str(path) for path in paths if "checkpoints" in path.parts} == {
        f"{stage}/checkpoints/{step}/{name}"
        for stage, step in (("first", "step-00000004"), ("second", "step-00000002"))
        for name in checkpoint
    }


def test_every_log_step_is_a_line_of_metrics_with_every_term(finished: Path) -> None:
    lines = _lines(finished / "run/first/metrics.jsonl")
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        assert set(line) == {"step", "epoch", "learning_rate", "gradient_norm", "samples_per_second", "terms"}
        assert list(line["terms"]) == ["language", "refined-local", "global"]
        assert line["terms"]["language"].keys() == {"loss", "weight"}
        for name, weight in (("refined-local", 1), ("global", 0.5)):
            term = line["terms"][name]
            assert term.keys() == {"loss", "weight", "pairs", "retrieval@1", "cosine", "negative_cosine"}
            assert term["weight"] == weight
            assert 0 <= term["retrieval@1"] <= 1
        assert line["samples_per_second"] > 0


def test_the_record_of_a_stage_holds_terms_speed_and_matches(finished: Path) -> None:
    results = json.loads((finished / "run/first/stage.json").read_text())["results"]
    lines = _lines(finished / "run/first/metrics.jsonl")
    assert results["terms"]["language"] == {
        "first": lines[0]["terms"]["language"]["loss"],
        "last": lines[-1]["terms"]["language"]["loss"],
    }
    assert results["samples"] == 16
    assert results["samples_per_second"] == pytest.approx(16 / results["seconds"])
    assert results["exact_match"]["held_out"] == 6
    assert results["left_out"] == {
        "conversations cut": 0,
        "samples replaced": 0,
        "regions left out": 0,
        "held-out prompts shortened": 0,
    }


def test_a_reader_is_told_terms_weights_speed_matches_and_where_the_picture_is(finished: Path) -> None:
    told = (finished / "told.txt").read_text()
    for words in (
        "first: terms of the objective",
        "refined-local",
        "0.5",
        "samples/s",
        "6 held-out samples",
        "answers.png",
    ):
        assert words in told


def test_only_what_a_stage_trains_changes(finished: Path) -> None:
    for part, learned in (("vision_tower", False), ("projector", True), ("backbone", False)):
        before = load_file(finished / f"run/first/model/{part}.safetensors")
        after = load_file(finished / f"run/second/model/{part}.safetensors")
        assert before.keys() == after.keys()
        assert any(not torch.equal(before[key], after[key]) for key in before) is learned


def test_finished_stages_are_not_run_again(engine: Engine, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with (tmp_path / "told.txt").open("w") as told:
        recipe = engine.read(finished / "small.toml")
        engine.run(recipe, RunFolder(tmp_path / "run"), Console(file=told, width=200), "small.toml")
    text = (tmp_path / "told.txt").read_text()
    assert "first: finished already" in text
    assert "second: finished already" in text
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_an_interrupted_stage_starts_over_from_the_finished_one(engine: Engine, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run/second/stage.json").unlink()
    shutil.rmtree(tmp_path / "run/second/model")
    recipe = engine.read(finished / "small.toml")
    engine.run(recipe, RunFolder(tmp_path / "run"), Console(quiet=True), "small.toml")
    for part in ("vision_tower", "projector", "backbone"):
        again = load_file(tmp_path / f"run/second/model/{part}.safetensors")
        before = load_file(finished / f"run/second/model/{part}.safetensors")
        assert all(torch.equal(again[key], before[key]) for key in before)


def test_a_finished_stage_of_another_recipe_is_not_overwritten(engine: Engine, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    recipe = engine.read(finished / "small.toml", ["stages.first.learning_rate=0.5"])
    with pytest.raises(RunError, match=r"stages\.first\.learning_rate was 2e-05 and is 0\.5; name another folder"):
        engine.run(recipe, RunFolder(tmp_path / "run"), Console(quiet=True), "small.toml")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_the_same_recipe_gives_the_same_weights(engine: Engine, finished: Path, tmp_path: Path) -> None:
    recipe = engine.read(finished / "small.toml")
    engine.run(recipe, RunFolder(tmp_path / "run"), Console(quiet=True), "small.toml")
    for file in ("first/model/backbone.safetensors", "second/model/projector.safetensors"):
        one, other = load_file(tmp_path / "run" / file), load_file(finished / "run" / file)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_loss_that_is_not_a_number_stops_before_a_weight_is_lost(read: Callable[..., Recipe], tmp_path: Path) -> None:
    @frozen(kw_only=True)
    class Broken(Loss):
        """Divide by zero, in batches larger than the one that a plan tries it on."""

        def __call__(self, features: Features) -> Tensor:
            return features.zero() / (len(features.patches) < 3)

    class Plugin:
        """Registers it."""

        @hookimpl
        def remgcl_register_losses(self) -> Mapping[str, type[Loss]]:
            return {"broken": Broken}

    read()
    engine = Engine.of({**{module.__name__: module for module in BUILT_IN}, "broken": Plugin()})
    recipe = engine.read(tmp_path / "small.toml", ["stages.first.losses={broken = {}}"])
    with pytest.raises(
        RunError,
        match=r"stage 'first': step 0: the objective is not finite: broken \(.*Broken\) is nan; samples train-",
    ):
        engine.run(recipe, RunFolder(tmp_path / "run"), Console(quiet=True), "small.toml")
    assert not (tmp_path / "run/first/stage.json").exists()


@frozen(kw_only=True)
class Unreadable(Dataset):
    """A dataset whose images are broken, as only reading them tells."""

    def census(self) -> Census:
        """Count them."""
        return Census(samples=4, images=4, digest="")

    def build(self) -> "UnreadableSamples":
        """Make them."""
        return UnreadableSamples()


class UnreadableSamples:
    """Samples that cannot be read."""

    def __len__(self) -> int:
        """Count them."""
        return 4

    def __getitem__(self, index: int) -> Sample:
        """Fail."""
        if index >= 4:
            raise IndexError(index)
        raise DataError(f"data.json: record {index}: image 'a.png': is broken; truncated")

    def modality_lengths(self) -> list[int]:
        """Give any lengths."""
        return [1, 2, 3, 4]


class UnreadablePlugin:
    """Registers it."""

    @hookimpl
    def remgcl_register_datasets(self) -> Mapping[str, type[Dataset]]:
        """Name it."""
        return {"unreadable": Unreadable}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_told_in_one_line_wherever_it_is_read(
    read: Callable[..., Recipe], tmp_path: Path, workers: int
) -> None:
    read()
    engine = Engine.of({**{module.__name__: module for module in BUILT_IN}, "unreadable": UnreadablePlugin()})
    overrides = [f"stages.first.num_workers={workers}", 'stages.first.data={use = "unreadable"}']
    recipe = engine.read(tmp_path / "small.toml", overrides)
    with pytest.raises(DataError) as caught:
        engine.run(recipe, RunFolder(tmp_path / "run"), Console(quiet=True), "small.toml")
    assert str(caught.value).startswith("data.json: record ")
    assert str(caught.value).endswith("image 'a.png': is broken; truncated")
    assert "\n" not in str(caught.value)


def test_what_is_left_out_is_counted_and_told(run: Callable[..., str], tmp_path: Path) -> None:
    told = run("stages.first.max_length=18", "stages.first.validation.pictures=0")
    results = json.loads((tmp_path / "run/first/stage.json").read_text())["results"]
    assert results["left_out"]["conversations cut"] == 16
    assert "conversations cut: 16" in told
    assert not (tmp_path / "run/first/answers.png").exists()


def test_settings_of_a_stage_reach_the_trainer(read: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = read(
        "stages.first.learning_rate=0.125",
        "stages.first.schedule=linear",
        "stages.first.warmup_ratio=0.25",
        "stages.first.weight_decay=0.5",
        "stages.first.betas=[0.5, 0.75]",
        "stages.first.max_grad_norm=3",
        "stages.first.gradient_accumulation_steps=2",
        "stages.first.epochs=2.5",
        "stages.first.precision=bfloat16",
        "seed=9",
    )
    args = arguments(_job(recipe, tmp_path), cpu=True)
    assert args.learning_rate == 0.125
    assert args.lr_scheduler_type == "linear"
    assert args.get_warmup_steps(100) == 25
    assert args.weight_decay == 0.5
    assert (args.adam_beta1, args.adam_beta2) == (0.5, 0.75)
    assert args.max_grad_norm == 3
    assert args.gradient_accumulation_steps == 2
    assert args.num_train_epochs == 2.5
    assert args.bf16
    assert args.seed == 9
    assert args.use_cpu


@pytest.mark.parametrize("group", ["true", "false"])
def test_each_epoch_sees_every_sample_once_in_an_order_of_its_own(
    read: Callable[..., Recipe], tmp_path: Path, group: str
) -> None:
    job = _job(read(f"stages.first.group_by_modality={group}"), tmp_path)
    order = Order(job, 4, job.build_examples().samples)
    first = list(order)
    assert first == list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == sorted(second) == list(range(16)) == list(range(len(order)))
    assert first != second


def _trained(recipe: Recipe, folder: Path) -> tuple[StageTrainer, list[dict[str, Any]]]:
    """Train the first stage, and give its trainer and its metrics."""
    job = _job(recipe, folder)
    trainer = StageTrainer(job, job.build_objective(job.build_model()), arguments(job, cpu=True))
    trainer.train()
    return trainer, _lines(job.folder.metrics)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_weight_that_is_logged_is_the_weight_that_is_used(
    read: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulation: int
) -> None:
    used: list[float] = []
    weight_at = Global.weight_at

    def spy(loss: Global, progress: float) -> float:
        used.append(weight_at(loss, progress))
        return used[-1]

    monkeypatch.setattr(Global, "weight_at", spy)
    recipe = read(
        "stages.first.losses={global={schedule='cosine', warmup_ratio=0.5}}",
        f"stages.first.gradient_accumulation_steps={accumulation}",
        "stages.first.logging_steps=1",
        "stages.first.batch_size=2",
        "stages.first.data.samples=8",
    )
    _, lines = _trained(recipe, tmp_path)
    steps = 4 // accumulation
    each = accumulation + 1  # once for each batch of a step, and once for its line
    assert len(used) == steps * each
    for step, line in enumerate(lines):
        assert set(used[step * each : (step + 1) * each]) == {line["terms"]["global"]["weight"]}
    assert used[0] == 0
    assert max(used) > 0.5


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_diagnosis_is_made_for_each_line_and_for_no_other_step(
    read: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulation: int
) -> None:
    """Also for the last line, which comes early."""
    asked: list[bool] = []
    forward = Objective.forward
    monkeypatch.setattr(
        Objective,
        "forward",
        lambda self, batch, totals, *, diagnose, **given: (
            asked.append(diagnose) or forward(self, batch, totals, diagnose=diagnose, **given)
        ),
    )
    recipe = read(
        "stages.first.losses={global={learned=true}}",
        f"stages.first.gradient_accumulation_steps={accumulation}",
        f"stages.first.batch_size={2 // accumulation}",
        "stages.first.logging_steps=2",
        "stages.first.data.samples=6",
    )
    _, lines = _trained(recipe, tmp_path)
    assert [line["step"] for line in lines] == [2, 3]
    assert asked == [each for told in (False, True, True) for each in [False] * (accumulation - 1) + [told]]
    for line in lines:
        keys = {"loss", "weight", "pairs", "temperature", "retrieval@1", "cosine", "negative_cosine"}
        assert line["terms"]["global"].keys() == keys


@pytest.mark.parametrize("accumulation", [1, 2])
def test_shares_of_the_gradient_are_measured_as_often_as_the_stage_says(
    read: Callable[..., Recipe], tmp_path: Path, accumulation: int
) -> None:
    recipe = read(
        "stages.first.gradient_share_steps=2",
        f"stages.first.gradient_accumulation_steps={accumulation}",
        "stages.first.logging_steps=1",
        f"stages.first.batch_size={4 // accumulation}",
    )
    _, lines = _trained(recipe, tmp_path)
    shares = [[term.get("gradient_share") for term in line["terms"].values()] for line in lines]
    assert [None in each for each in shares] == [True, False, True, False]
    for each in (shares[1], shares[3]):
        assert sum(each) == pytest.approx(1)
        assert all(share > 0 for share in each)


def test_what_a_loss_learns_is_trained_saved_and_taken_up(run: Callable[..., str], tmp_path: Path) -> None:
    loss = "{use='global', learned=true, objective='sigmoid', bias=-1.0}"
    told = run(
        f"stages.first.losses={{mine={loss}}}",
        f"stages.second.losses={{mine={loss}}}",
        "stages.first.learning_rate=0.01",
        "stages.second.learning_rate=1e-30",
        "stages.first.validation.pictures=0",
    )
    first, second = (load_file(tmp_path / f"run/{name}/losses/mine.safetensors") for name in ("first", "second"))
    assert first.keys() == {"log_temperature", "bias"}
    assert first["bias"] != -1
    assert first["log_temperature"] != torch.tensor(0.07).log()
    for name, learned in first.items():
        assert second[name].item() == pytest.approx(learned.item())
    assert "first: 16 samples, 17,802 parameters learn" in told
    assert "second: 8 samples, 546 parameters learn" in told
    lines = _lines(tmp_path / "run/first/metrics.jsonl")
    assert lines[-1]["terms"]["mine"]["bias"] != -1


@pytest.mark.parametrize(
    "losses", ["{}", "{global = {objective = 'alignment'}, refined-local = {objective = 'alignment'}}"]
)
def test_the_gradient_does_not_depend_on_accumulation(read: Callable[..., Recipe], tmp_path: Path, losses: str) -> None:
    gradients = []
    for batch, accumulation in ((8, 1), (4, 2), (2, 4)):
        recipe = read(
            "seed=1",
            f"stages.first.losses={losses}",
            "stages.first.logging_steps=1",
            f"stages.first.batch_size={batch}",
            f"stages.first.gradient_accumulation_steps={accumulation}",
            'stages.first.train=["projector", "backbone"]',
            "stages.first.data.samples=8",
            "stages.first.max_grad_norm=1000000",
        )
        _, (line,) = _trained(recipe, tmp_path / f"{batch}")
        gradients.append([line["gradient_norm"], *(term["loss"] for term in line["terms"].values())])
    assert gradients[1] == pytest.approx(gradients[0], rel=1e-5)
    assert gradients[2] == pytest.approx(gradients[0], rel=1e-5)


@pytest.mark.parametrize("learns", ["'projector'", "'projector', 'backbone'"])
def test_activations_are_computed_again_whether_the_backbone_learns_or_not(
    read: Callable[..., Recipe], tmp_path: Path, learns: str
) -> None:
    job = _job(read("stages.first.gradient_checkpointing=true", f"stages.first.train=[{learns}]"), tmp_path)
    model = job.build_model().train()
    calls: list[bool] = []
    layer = model.backbone.get_decoder().layers[0]
    layer.mlp.register_forward_pre_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    examples = job.build_examples()
    total, _ = job.build_objective(model)(job.collator([examples[0], examples[1]]))
    assert len(calls) == 1
    total.backward()
    assert len(calls) == 2
    assert layer.mlp.training is ("backbone" in learns)
    model.eval()
    assert not layer.training
