"""A job: one stage, built, frozen, loaded and saved part by part."""

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
import torch
from attrs import define, evolve, field, frozen
from rich.console import Console
from safetensors.torch import save_file
from torch import nn

from remgcl import Engine, FaultsError, Job, Recipe, RunError, RunFolder, Sample, Samples, TextFilter
from remgcl.core.model.objective import LANGUAGE
from remgcl.core.model.saved import saved_parts
from remgcl.core.planning.plan import make_plan
from remgcl.core.recipe.recipe import PARTS, Validation
from remgcl.plugins.backbones.tiny import TinyBackbone
from remgcl.plugins.datasets import Synthetic
from remgcl.plugins.vision_towers.tiny import TinyTower

Read = Callable[..., Recipe]
MakeJob = Callable[..., Job]


@frozen(kw_only=True)
class RecalledTower(TinyTower):
    """A tower that says that it gives the same weights each time, and remembers what it was asked for."""

    asked: list[bool] = field(factory=list, eq=False)

    @property
    def restorable(self) -> bool:
        """True."""
        return True

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the net, and remember whether weights were wanted."""
        self.asked.append(pretrained)
        return super().build(pretrained=pretrained)


@frozen(kw_only=True)
class RecalledBackbone(TinyBackbone):
    """A language model that says that it gives the same weights each time."""

    asked: list[bool] = field(factory=list, eq=False)

    @property
    def restorable(self) -> bool:
        """True."""
        return True

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the model, and remember whether weights were wanted."""
        self.asked.append(pretrained)
        return super().build(pretrained=pretrained)


@frozen(kw_only=True)
class FirstOnly(TextFilter):
    """Keep the first token of an answer."""

    def build(self, tokenizer: Any) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Make the function."""
        assert tokenizer.is_fast
        return lambda ids: np.arange(len(ids)) == 0


@pytest.fixture
def read(engine: Engine, file: Path) -> Read:
    """Read the small recipe of the core's tests, with overrides; those of the loop have another."""
    return lambda *overrides: engine.read(file, overrides)


@pytest.fixture
def make_job(tmp_path: Path, engine: Engine) -> MakeJob:
    """Make the job of a stage."""

    def make(recipe: Recipe, name: str) -> Job:
        run = RunFolder(tmp_path / "run")
        after = recipe.stages[name].after
        table = {part: type(getattr(recipe, part)).__name__ for part in PARTS}
        return Job(
            recipe=recipe,
            name=name,
            run=run,
            start=run.stage(after) if after else None,
            inputs=table,
            console=Console(file=StringIO()),
        )

    assert engine.registry
    return make


@pytest.fixture
def recalled(read: Read) -> Recipe:
    """A recipe whose tower and language model give the same weights each time."""
    recipe = read()
    return evolve(
        recipe,
        vision_tower=RecalledTower(size=(32, 32), channels=(4, 8), strides=((4, 4), (4, 4))),
        backbone=RecalledBackbone(width=16, layers=1, heads=2, mlp=24, max_length=128),
    )


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copy all tensors of a model."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Tell whether two states hold the same tensors."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def disturb(model: nn.Module) -> None:
    """Change every tensor, as a training would."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1 if tensor.is_floating_point() else 3)


def test_a_job_knows_its_stage(read: Read, make_job: MakeJob) -> None:
    recipe = read()
    assert make_job(recipe, "tune").stage is recipe.stages["tune"]


def test_making_a_job_builds_and_writes_nothing(recalled: Recipe, make_job: MakeJob, tmp_path: Path) -> None:
    make_job(recalled, "tune")
    assert isinstance(recalled.vision_tower, RecalledTower)
    assert recalled.vision_tower.asked == []
    assert not (tmp_path / "run").exists()


def test_the_text_filter_of_the_recipe_is_the_encoders(read: Read, make_job: MakeJob) -> None:
    recipe = read()
    plain = make_job(recipe, "tune").build_examples()[0]
    filtered = make_job(evolve(recipe, text_filter=FirstOnly()), "tune").build_examples()[0]
    assert plain.kept.sum() > 1
    assert filtered.kept.sum() == 1


def test_examples_are_the_encoded_samples_in_order(read: Read, make_job: MakeJob) -> None:
    recipe = read()
    job = make_job(recipe, "tune")
    examples = job.build_examples()
    samples = recipe.stages["tune"].data.build()
    assert len(examples) == len(samples) == 4
    for index in (0, 3):
        expected = job.encoder(samples[index])
        assert np.array_equal(examples[index].tokens.ids, expected.tokens.ids)
        assert np.array_equal(examples[index].tokens.labels, expected.tokens.labels)


@define
class Bare:
    """Samples that lost their regions."""

    samples: Samples

    def __len__(self) -> int:
        """Count them."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        """Take the regions off one."""
        return evolve(self.samples[index], regions=())

    def modality_lengths(self) -> Sequence[int]:
        """Give their lengths."""
        return self.samples.modality_lengths()


@frozen(kw_only=True)
class BareDrawings(Synthetic):
    """Drawings without regions."""

    def build(self) -> Bare:  # type: ignore[override]
        """Make the samples."""
        return Bare(super().build())


def test_a_cache_of_regions_gives_the_same_batch_as_regions_of_the_records(
    read: Read, make_job: MakeJob, cached: Callable[..., Path]
) -> None:
    recipe = read()
    own = make_job(recipe, "tune")
    drawn = own.stage.data.build()
    path = cached(*(drawn[place] for place in range(len(drawn))))
    bare = BareDrawings(samples=4, seed=1)
    stages = {
        name: evolve(recipe.stages["tune"], after=None, data=bare, ocr=ocr)
        for name, ocr in (("with", str(path)), ("without", None))
    }
    batches = {
        name: job.collator([job.build_examples()[place] for place in range(4)])
        for name, job in {
            "own": own,
            **{name: make_job(evolve(recipe, stages=stages), name) for name in stages},
        }.items()
    }
    assert len(batches["own"]["region_image"]) == 4
    assert len(batches["without"]["region_image"]) == 0
    for name, tensor in batches["own"].items():
        assert torch.equal(tensor, batches["with"][name]), name  # type: ignore[literal-required, arg-type]


def test_held_out_samples_get_the_regions_of_the_cache_too(
    read: Read, make_job: MakeJob, cached: Callable[..., Path]
) -> None:
    recipe = read()
    drawn = Synthetic(samples=2, split="held_out").build()
    held_out = Validation(data=BareDrawings(samples=2, split="held_out"), max_new_tokens=1)
    stage = evolve(recipe.stages["pretrain"], validation=held_out, ocr=str(cached(drawn[0])))
    job = make_job(evolve(recipe, stages={"pretrain": stage}), "pretrain")
    first, second = job.validate(job.build_model())
    assert (first.sample.regions, second.sample.regions) == (drawn[0].regions, ())


def test_a_cache_that_is_not_there_is_told_when_samples_are_made(read: Read, make_job: MakeJob, tmp_path: Path) -> None:
    recipe = read(f"stages.pretrain.ocr={tmp_path}")
    with pytest.raises(RunError, match=f"^{tmp_path}: is no OCR cache; there is no about.json"):
        make_job(recipe, "pretrain").build_examples()


def test_a_collator_makes_batches_for_the_tower(read: Read, make_job: MakeJob) -> None:
    job = make_job(read(), "tune")
    examples = job.build_examples()
    batch = job.collator([examples[0], examples[1]])
    assert batch["pixels"].shape == (2, 3, 32, 32)
    assert batch["patch_mask"].shape == (2, 4)


def test_the_seed_alone_decides_on_the_weights(read: Read, make_job: MakeJob) -> None:
    one = make_job(read(), "pretrain").build_model()
    torch.manual_seed(999)
    again = make_job(read(), "pretrain").build_model()
    other = make_job(read("seed=4"), "pretrain").build_model()
    assert same(state_of(one), state_of(again))
    assert not torch.equal(one.projector[0].weight, other.projector[0].weight)


@pytest.mark.parametrize(
    "train", [["projector"], ["vision_tower"], ["backbone", "projector"], ["vision_tower", "projector", "backbone"]]
)
def test_the_parts_that_learn_are_those_that_the_stage_names(read: Read, make_job: MakeJob, train: list[str]) -> None:
    model = make_job(read(f"stages.pretrain.train={train}"), "pretrain").build_model()
    for part in PARTS:
        learns = {parameter.requires_grad for parameter in model.get_submodule(part).parameters()}
        assert learns == {part in train}


@frozen(kw_only=True)
class HalfFrozenTower(TinyTower):
    """A tower that freezes its stages, and all of itself where that is asked for."""

    whole: bool = False

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the tower and freeze some of it."""
        built = super().build(pretrained=pretrained)
        (built if self.whole else built.get_submodule("stages")).requires_grad_(requires_grad=False)
        return built


def test_what_a_part_freezes_stays_frozen_in_the_stage_that_trains_it(read: Read, make_job: MakeJob) -> None:
    tower = HalfFrozenTower(size=(32, 32), channels=(4, 8), strides=((4, 4), (4, 4)))
    recipe = evolve(read('stages.tune.train=["vision_tower", "projector"]'), vision_tower=tower)
    model = evolve(make_job(recipe, "tune"), start=None).build_model()
    learning = {name for name, each in model.named_parameters() if each.requires_grad}
    assert {name for name in learning if name.startswith("vision_tower")} == {
        "vision_tower.norm.weight",
        "vision_tower.norm.bias",
        "vision_tower.place",
    }
    plan = make_plan(recipe, "a.toml")
    assert plan.learnable["vision_tower"] == sum(
        each.numel() for name, each in model.vision_tower.named_parameters() if f"vision_tower.{name}" in learning
    )
    assert plan.learnable["vision_tower"] < plan.parameters["vision_tower"]


def test_a_stage_in_which_nothing_learns_is_refused(read: Read, make_job: MakeJob) -> None:
    tower = HalfFrozenTower(size=(32, 32), channels=(4, 8), strides=((4, 4), (4, 4)), whole=True)
    recipe = evolve(read('stages.tune.train=["vision_tower"]'), vision_tower=tower)
    what = "stages.tune.train: nothing learns; all parameters of 'vision_tower' are frozen"
    with pytest.raises(RunError, match=rf"^{what}$"):
        evolve(make_job(recipe, "tune"), start=None).build_model()
    with pytest.raises(FaultsError, match=rf"^a.toml: {what}$"):
        make_plan(recipe, "a.toml")


@pytest.mark.parametrize(("asked", "times"), [("false", 1), ("true", 2)])
def test_activations_are_computed_again_where_the_stage_asks_for_it(
    read: Read, make_job: MakeJob, asked: str, times: int
) -> None:
    recipe = read(f"stages.pretrain.gradient_checkpointing={asked}", "stages.pretrain.train=['projector', 'backbone']")
    job = make_job(recipe, "pretrain")
    model = job.build_model().train()
    calls: list[object] = []
    model.backbone.model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(None))
    examples = job.build_examples()
    total, _ = job.build_objective(model)(job.collator([examples[0], examples[1]]))
    total.backward()
    assert len(calls) == times


def test_a_backbone_that_cannot_recompute_activations_is_told(
    read: Read, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    monkeypatch.setattr(LlamaForCausalLM, "supports_gradient_checkpointing", False)
    with pytest.raises(RunError, match=r"^stage 'pretrain': gradient_checkpointing: cannot be used; LlamaForCausalLM"):
        make_job(read("stages.pretrain.gradient_checkpointing=true"), "pretrain").build_model()


@pytest.mark.parametrize("name", ["activation_checkpointing_enable", "gradient_checkpointing_enable"])
def test_activations_are_recomputed_by_the_name_that_the_library_has_for_it(
    read: Read, make_job: MakeJob, name: str
) -> None:
    """The method was renamed inside release 5; its old name warns where there is a new one."""
    asked: list[object] = []
    backbone = type("Backbone", (), {name: lambda _, settings: asked.append(settings)})()
    make_job(read(), "pretrain")._recompute(backbone)
    assert asked == [{"use_reentrant": False}]


def test_an_objective_joins_the_model_and_the_losses_of_the_stage(read: Read, make_job: MakeJob) -> None:
    job = make_job(read(), "tune")
    model = job_model = make_job(read(), "pretrain").build_model()
    objective = job.build_objective(model)
    assert objective.model is job_model
    examples = job.build_examples()
    total, terms = objective(job.collator([examples[0], examples[1]]))
    assert list(terms) == [LANGUAGE, "global"]
    assert torch.allclose(total.detach(), terms[LANGUAGE]["loss"] + 0.5 * terms["global"]["loss"])


LEARNED = ("stages.pretrain.losses.mine={use='global', learned=true, objective='sigmoid'}",)


def finished(job: Job, temperature: float = 0.5) -> None:
    """Finish a job whose losses learned a temperature."""
    job.folder.begin({})
    objective = job.build_objective(job.build_model())
    for module in objective.learned.values():
        torch.nn.init.constant_(module.log_temperature, np.log(temperature))
    job.finish(objective, {})


def test_what_a_loss_learned_is_saved_and_the_next_stage_goes_on_with_it(read: Read, make_job: MakeJob) -> None:
    recipe = read(*LEARNED, "stages.tune.losses.mine={use='global', learned=true, objective='sigmoid', temperature=9}")
    first = make_job(recipe, "pretrain")
    finished(first)
    assert first.folder.loss("mine").name == "mine.safetensors"
    assert {file.name for file in first.folder.losses.iterdir()} == {"mine.safetensors", "manifest.json"}

    second = make_job(recipe, "tune")
    module = second.build_objective(second.build_model()).learned["mine"]

    assert module.temperature.item() == pytest.approx(0.5)
    assert module.bias.item() == -10


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("{use='global'}", "{use='global', learned=true, temperature=0.25}"),
        ("{use='refined-local', learned=true}", "{use='global', learned=true, temperature=0.25}"),
        ("{use='global', learned=true}", "{use='global', temperature=0.25}"),
    ],
    ids=["learned nothing", "another loss", "learns no more"],
)
def test_a_loss_begins_with_its_settings_where_the_stage_before_had_another(
    read: Read, make_job: MakeJob, before: str, now: str
) -> None:
    recipe = read(f"stages.pretrain.losses.mine={before}", f"stages.tune.losses.mine={now}")
    finished(make_job(recipe, "pretrain"))
    job = make_job(recipe, "tune")
    objective = job.build_objective(job.build_model())
    built = objective.learned["mine"].loss if "mine" in objective.learned else objective.losses["mine"]
    assert built.temperature == 0.25
    assert all(module.temperature.item() == pytest.approx(0.25) for module in objective.learned.values())


def test_what_a_loss_learned_with_another_objective_is_refused(read: Read, make_job: MakeJob) -> None:
    recipe = read(*LEARNED, "stages.tune.losses.mine={use='global', learned=true}")
    finished(make_job(recipe, "pretrain"))
    job = make_job(recipe, "tune")
    model = job.build_model()
    with pytest.raises(RunError, match=r"pretrain/losses/mine\.safetensors: cannot be loaded; .*bias"):
        job.build_objective(model)


def test_a_stage_whose_losses_learn_nothing_saves_nothing_of_them(read: Read, make_job: MakeJob) -> None:
    job = make_job(read("stages.pretrain.losses.global={}"), "pretrain")
    finished(job)
    assert not job.folder.losses.exists()


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (rmtree, "there is no manifest.json"),
        (lambda losses: (losses / "mine.safetensors").unlink(), "mine.safetensors is missing"),
        (
            lambda losses: save_file({}, losses / "mine.safetensors"),
            "mine.safetensors has changed since it was written",
        ),
    ],
    ids=["folder", "file", "content"],
)
def test_what_a_loss_learned_is_never_lost_silently(
    read: Read, make_job: MakeJob, damage: Callable[[Path], None], wrong: str
) -> None:
    recipe = read(*LEARNED, "stages.tune.losses.mine={use='global', learned=true, objective='sigmoid'}")
    first = make_job(recipe, "pretrain")
    finished(first)
    damage(first.folder.losses)
    job = make_job(recipe, "tune")
    model = job.build_model()
    with pytest.raises(RunError, match=f"pretrain/losses: is not what was saved there; {wrong}"):
        job.build_objective(model)


def test_the_encoder_takes_bounds_and_grid_from_the_stage(read: Read, make_job: MakeJob) -> None:
    encoder = make_job(read("stages.tune.max_regions=7", "stages.tune.region_grid=2"), "tune").encoder
    assert (encoder.max_regions, encoder.region_grid) == (7, 2)


def test_without_validation_nothing_is_answered(read: Read, make_job: MakeJob) -> None:
    job = make_job(read(), "pretrain")
    assert job.validate(job.build_model()) == []


def test_the_held_out_samples_are_answered_all_and_in_order(read: Read, make_job: MakeJob, engine: Engine) -> None:
    data = engine.registry.find("datasets", "synthetic")(samples=3, split="held_out")  # type: ignore[call-arg]
    recipe = read()
    held_out = Validation(data=data, batch_size=2, max_new_tokens=2)  # type: ignore[arg-type]
    stages = {**recipe.stages, "pretrain": evolve(recipe.stages["pretrain"], validation=held_out)}
    job = make_job(evolve(recipe, stages=stages), "pretrain")
    model = job.build_model()
    model.train()
    answered = job.validate(model)
    assert [each.sample.id for each in answered] == ["held_out-0", "held_out-1", "held_out-2"]
    assert not model.training


def test_a_finished_stage_is_recorded_with_its_inputs_and_results(read: Read, make_job: MakeJob) -> None:
    job = make_job(read(), "pretrain")
    job.folder.begin({})
    job.finish(job.build_objective(job.build_model()), {"samples": 5})
    record = job.folder.finished()
    assert record is not None
    assert record.pop("model")
    assert record == {"inputs": job.inputs, "results": {"samples": 5}}


def test_the_model_is_saved_before_the_stage_counts_as_finished(
    read: Read, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    job = make_job(read(), "pretrain")
    job.folder.begin({})
    objective = job.build_objective(job.build_model())
    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(RunError, match="pretrain: cannot be written; no space left on device"):
        job.finish(objective, {})
    assert job.folder.finished() is None
    assert not job.folder.model.exists()


def test_random_parts_are_saved_even_if_they_learned_nothing(read: Read, make_job: MakeJob) -> None:
    job = make_job(read(), "pretrain")
    job.folder.begin({})
    job.finish(job.build_objective(job.build_model()), {})
    assert set(saved_parts(job.folder.model)) == {"vision_tower", "projector", "backbone"}


@pytest.mark.parametrize(
    ("train", "saved"),
    [
        (["projector"], {"projector"}),
        (["backbone"], {"projector", "backbone"}),
        (["vision_tower"], {"vision_tower", "projector"}),
        (["vision_tower", "backbone"], {"vision_tower", "projector", "backbone"}),
    ],
    ids=lambda names: " ".join(sorted(names)),
)
def test_parts_that_the_recipe_gives_again_are_saved_only_if_they_learned(
    recalled: Recipe, make_job: MakeJob, train: list[Any], saved: set[str]
) -> None:
    stages = {"pretrain": evolve(recalled.stages["pretrain"], train=tuple(train))}
    job = make_job(evolve(recalled, stages=stages), "pretrain")
    job.folder.begin({})
    job.finish(job.build_objective(job.build_model()), {})
    assert set(saved_parts(job.folder.model)) == saved
    tables = json.loads((job.folder.model / "parts.json").read_text())
    assert {name: part["recipe"] for name, part in tables.items()} == job.inputs


def test_what_an_earlier_stage_learned_is_saved_by_the_later_ones_too(recalled: Recipe, make_job: MakeJob) -> None:
    stages = {
        "pretrain": evolve(recalled.stages["pretrain"], train=("backbone",)),
        "tune": evolve(recalled.stages["tune"], train=("projector",)),
    }
    recipe = evolve(recalled, stages=stages)
    for name in stages:
        job = make_job(recipe, name)
        job.folder.begin({})
        job.finish(job.build_objective(job.build_model()), {})
    assert set(saved_parts(job.folder.model)) == {"projector", "backbone"}


def test_a_stage_starts_exactly_where_the_one_before_it_ended(read: Read, make_job: MakeJob) -> None:
    """Running statistics and all."""
    first = make_job(read("stages.pretrain.train=['vision_tower', 'projector', 'backbone']"), "pretrain")
    first.folder.begin({})
    model = first.build_model()
    disturb(model)
    left = state_of(model)
    first.finish(first.build_objective(model), {})
    torch.manual_seed(7)
    assert same(state_of(make_job(read(), "tune").build_model()), left)


def test_weights_are_read_only_of_parts_that_no_stage_before_has_saved(recalled: Recipe, make_job: MakeJob) -> None:
    tower, backbone = recalled.vision_tower, recalled.backbone
    assert isinstance(tower, RecalledTower)
    assert isinstance(backbone, RecalledBackbone)
    stages = {**recalled.stages, "pretrain": evolve(recalled.stages["pretrain"], train=("backbone",))}
    recipe = evolve(recalled, stages=stages)
    first = make_job(recipe, "pretrain")
    first.folder.begin({})
    first.finish(first.build_objective(first.build_model()), {})
    make_job(recipe, "tune").build_model()
    assert tower.asked == [True, True]
    assert backbone.asked == [True, False]


def test_a_stage_whose_start_has_no_model_is_told(read: Read, make_job: MakeJob, tmp_path: Path) -> None:
    with pytest.raises(RunError) as raised:
        make_job(read(), "tune").build_model()
    model = tmp_path / "run" / "pretrain" / "model"
    assert str(raised.value) == f"{model}: holds no saved model; there is no parts.json"


def test_a_stage_whose_start_is_another_model_is_told(read: Read, make_job: MakeJob) -> None:
    first = make_job(read(), "pretrain")
    first.folder.begin({})
    first.finish(first.build_objective(first.build_model()), {})
    with pytest.raises(RunError, match=r"projector\.safetensors: cannot be loaded; .*size mismatch"):
        make_job(read("backbone.width=32"), "tune").build_model()


def test_a_runner_may_keep_what_it_likes_on_a_job_and_jobs_differ(read: Read, make_job: MakeJob) -> None:
    recipe = read()
    assert make_job(recipe, "tune") != make_job(recipe, "tune")
