"""Recipes: which settings there are, what they may be, and how stages follow one another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from remgcl import Engine, Recipe, RecipeError, Stage
from remgcl.core.errors import ValueFaultError
from remgcl.core.recipe.recipe import PARTS, LearningRates, Validation

Read = Callable[..., Recipe]


def faults_of(read: Read, *overrides: str) -> list[str]:
    """Tell the faults of a recipe with overrides, without the override that stands before each."""
    with pytest.raises(RecipeError) as raised:
        read(*overrides)
    return [f"{fault.key}: {fault.what}" for fault in raised.value.faults]


def test_the_defaults_of_a_stage_are_those_of_llavas_scripts(read: Read) -> None:
    stage = read().stages["pretrain"]
    told = {
        field.name: getattr(stage, field.name) for field in attrs.fields(Stage) if field.default is not attrs.NOTHING
    }
    assert told | {"max_length": 2048, "batch_size": 16} == {
        "losses": {},
        "after": None,
        "source": None,
        "ocr": None,
        "save_steps": None,
        "save_total_limit": 1,
        "non_finite": "stop",
        "max_skipped": 10,
        "validation": None,
        "evaluation": {},
        "image_aspect": "pad",
        "resampling": "exact",
        "max_regions": 256,
        "region_grid": None,
        "max_length": 2048,
        "group_by_modality": False,
        "epochs": 1.0,
        "batch_size": 16,
        "gradient_accumulation_steps": 1,
        "learning_rate": 2e-5,
        "learning_rates": LearningRates(),
        "tf32": False,
        "schedule": "cosine",
        "warmup_ratio": 0.03,
        "weight_decay": 0.0,
        "betas": (0.9, 0.999),
        "max_grad_norm": 1.0,
        "precision": "float32",
        "gradient_checkpointing": False,
        "num_workers": 0,
        "logging_steps": 10,
        "gradient_share_steps": 0,
    }
    defaults = {field.name: field.default for field in attrs.fields(Stage)}
    assert (defaults["max_length"], defaults["batch_size"]) == (2048, 16)


def test_the_published_settings_can_be_written_value_for_value(read: Read) -> None:
    """Pretraining, finetuning and the contrastive stage of the published runs."""
    stage = read(
        "stages.tune.epochs=3",
        "stages.tune.batch_size=8",
        "stages.tune.gradient_accumulation_steps=6",
        "stages.tune.learning_rate=2e-5",
        "stages.tune.schedule=cosine",
        "stages.tune.warmup_ratio=0.03",
        "stages.tune.weight_decay=0",
        "stages.tune.precision=bfloat16",
        "stages.tune.gradient_checkpointing=true",
        "stages.tune.group_by_modality=true",
        "stages.tune.num_workers=4",
        "stages.tune.logging_steps=1",
        "stages.tune.max_length=2048",
        "stages.tune.losses.global={ objective = 'alignment', temperature = 0.5, weight = 0.01, padding = true }",
        "stages.tune.losses.refined-local={ objective = 'alignment', temperature = 0.5, weight = 0.01 }",
        "text_filter=stopwords",
    ).stages["tune"]
    assert (stage.epochs, stage.batch_size, stage.gradient_accumulation_steps, stage.max_length) == (3.0, 8, 6, 2048)
    assert [loss.weight for loss in stage.losses.values()] == [0.01, 0.01]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("epochs", "0", "must be > 0: 0.0"),
        ("epochs", "-1.5", "must be > 0: -1.5"),
        ("epochs", "inf", "must be finite; it is inf"),
        ("max_length", "1", "must be >= 2: 1"),
        ("batch_size", "0", "must be >= 1: 0"),
        ("gradient_accumulation_steps", "0", "must be >= 1: 0"),
        ("learning_rate", "0.0", "must be > 0: 0.0"),
        ("learning_rate", "'1e-3'", "must be a number; it is '1e-3'"),
        ("schedule", "cosin", "cannot be 'cosin'; did you mean 'cosine'?"),
        ("warmup_ratio", "1.5", "must be <= 1.0: 1.5"),
        ("warmup_ratio", "-0.1", "must be >= 0.0: -0.1"),
        ("weight_decay", "-1", "must be >= 0: -1.0"),
        ("betas", "[0.9, 1]", "must be < 1: 1.0"),
        ("betas", "[-0.9, 0.5]", "must be >= 0: -0.9"),
        ("betas", "[0.9]", "must have 2 values; it is [0.9]"),
        ("max_grad_norm", "0", "must be > 0: 0.0"),
        ("precision", "bf16", "cannot be 'bf16'; did you mean 'bfloat16'?"),
        ("num_workers", "-1", "must be >= 0: -1"),
        ("logging_steps", "0", "must be >= 1: 0"),
        ("image_aspect", "padd", "cannot be 'padd'; did you mean 'pad'?"),
        ("resampling", "fasst", "cannot be 'fasst'; did you mean 'fast'?"),
        ("train", "[]", "must name a part that learns; there is 'vision_tower', 'projector', 'backbone'"),
        ("train", "projector", "must be a list; it is 'projector'"),
        ("after", "3", "must be a string; it is 3"),
        ("validation", "{}", "is missing"),
    ],
)
def test_a_setting_of_a_stage_out_of_its_bounds_is_told_with_its_key(
    read: Read, key: str, value: str, told: str
) -> None:
    (fault,) = faults_of(read, f"stages.pretrain.{key}={value}")
    assert fault.removeprefix(f"stages.pretrain.{key}").removeprefix(".data") == f": {told}"


@pytest.mark.parametrize(
    "override",
    [
        "epochs=0.5",
        "warmup_ratio=0",
        "warmup_ratio=1",
        "betas=[0, 0]",
        "num_workers=0",
        "max_length=2",
        "validation={ data = 'synthetic', pictures = 0 }",
        "train=['backbone', 'vision_tower', 'projector']",
    ],
)
def test_a_setting_on_its_bound_is_taken(read: Read, override: str) -> None:
    read(f"stages.pretrain.{override}")


def test_validation_settings_have_bounds_too(read: Read) -> None:
    data = "stages.pretrain.validation={ data = 'synthetic', batch_size = 0, max_new_tokens = 0, pictures = -1 }"
    assert faults_of(read, data) == [
        "stages.pretrain.validation.batch_size: must be >= 1: 0",
        "stages.pretrain.validation.max_new_tokens: must be >= 1: 0",
        "stages.pretrain.validation.pictures: must be >= 0: -1",
    ]


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "../up", ".hidden", "a\nb"])
def test_a_name_that_no_folder_should_have_is_refused(read: Read, name: str) -> None:
    (fault,) = faults_of(read, f"name='''{name}'''")
    assert fault.startswith("name: must match regex")


@pytest.mark.parametrize("name", ["a", "llava-1.5_v2", "3"])
def test_a_plain_name_is_taken(read: Read, name: str) -> None:
    assert read(f"name='{name}'").name == name


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_library_takes_is_refused(read: Read, seed: int) -> None:
    (fault,) = faults_of(read, f"seed={seed}")
    assert fault.startswith("seed: must be ")


def test_the_largest_seed_is_taken(read: Read) -> None:
    assert read(f"seed={2**32 - 1}").seed == 2**32 - 1


def test_without_a_seed_and_a_filter_there_are_defaults(engine: Engine, file: Path) -> None:
    file.write_text(file.read_text().replace("seed = 3", ""))
    recipe = engine.read(file)
    assert (recipe.seed, recipe.text_filter) == (42, None)


def test_the_parts_of_a_model_stand_in_the_order_the_image_meets_them() -> None:
    assert PARTS == ("vision_tower", "projector", "backbone")
    assert {field.name for field in attrs.fields(Recipe)} >= set(PARTS)


@pytest.mark.parametrize(
    ("after", "hint"),
    [
        ("pretrian", "did you mean 'pretrain'?"),
        ("tune", "there is 'pretrain'"),
        ("last", "there is 'pretrain'"),
        ("", "there is 'pretrain'"),
    ],
)
def test_a_stage_starts_from_an_earlier_one(read: Read, after: str, hint: str) -> None:
    """Not from itself, not from a later one, not from one that is not there."""
    last = ["stages.last.template=plain", "stages.last.data=synthetic", "stages.last.train=['projector']"]
    (fault,) = faults_of(read, *last, f"stages.tune.after='{after}'")
    assert fault == f"stages.tune.after: no stage {after!r} comes before 'tune'; {hint}"


def test_the_first_stage_starts_from_nothing(read: Read) -> None:
    (fault,) = faults_of(read, "stages.pretrain.after=tune")
    assert fault == "stages.pretrain.after: no stage 'tune' comes before 'pretrain'; there is nothing"


def test_all_stages_that_start_from_nowhere_are_told_at_once(read: Read) -> None:
    told = faults_of(read, "stages.pretrain.after=x", "stages.tune.after=y", "seed=-1")
    assert [line.partition(":")[0] for line in told] == ["stages.pretrain.after", "stages.tune.after", "seed"]


@pytest.mark.parametrize("name", ["a b", "-a", "a:b", "a/b"])
def test_a_stage_whose_name_is_no_folder_is_refused(read: Read, name: str) -> None:
    stage = "{ template = 'plain', data = 'synthetic', train = ['projector'] }"
    assert faults_of(read, f"stages={{ '{name}' = {stage} }}") == [
        f"stages.{name}: cannot be the name of a stage; letters, digits, '-' and '_' can"
    ]


def test_a_recipe_holds_a_stage(read: Read) -> None:
    assert faults_of(read, "stages={}") == ["stages: must hold a stage; it is empty"]


def test_a_loss_cannot_take_the_name_of_the_language_loss(read: Read) -> None:
    assert faults_of(read, "stages.tune.losses.language=global") == [
        "stages.tune.losses.language: is the name of the language loss; take another"
    ]


def test_a_loss_whose_name_cannot_stand_in_a_log_is_refused(read: Read) -> None:
    losses = "stages.tune.losses={ 'a b' = 'global', language = 'global', '' = 'global' }"
    assert sorted(faults_of(read, losses)) == [
        "stages.tune.losses.: cannot be the name of a loss; letters, digits, '-' and '_' can",
        "stages.tune.losses.a b: cannot be the name of a loss; letters, digits, '-' and '_' can",
        "stages.tune.losses.language: is the name of the language loss; take another",
    ]


def test_a_temperature_that_would_fall_without_end_is_refused(read: Read) -> None:
    losses = "stages.tune.losses.mine={ use = 'refined-local', objective = 'alignment', learned = true }"
    assert faults_of(read, losses) == [
        "stages.tune.losses.mine: learned: alignment has no negatives, so its temperature would fall without limit"
    ]


def test_the_lineage_of_a_stage_leads_from_the_first_to_itself(read: Read) -> None:
    last = ["stages.last.template=plain", "stages.last.data=synthetic", "stages.last.train=['projector']"]
    recipe = read(*last, "stages.last.after=tune")
    assert recipe.lineage("pretrain") == ("pretrain",)
    assert recipe.lineage("last") == ("pretrain", "tune", "last")


def test_a_stage_that_starts_from_the_parts_has_no_lineage_but_itself(read: Read) -> None:
    last = ["stages.last.template=plain", "stages.last.data=synthetic", "stages.last.train=['projector']"]
    assert read(*last).lineage("last") == ("last",)


def test_a_recipe_made_in_python_is_judged_like_one_that_is_read(read: Read) -> None:
    recipe = read()
    with pytest.raises(ValueFaultError, match=r"no stage 'pretrain' comes before 'tune'; there is nothing"):
        attrs.evolve(recipe, stages={"tune": recipe.stages["tune"]})
    with pytest.raises(ValueError, match=r"'epochs' must be > 0: 0"):
        attrs.evolve(recipe.stages["tune"], epochs=0)


def test_several_faults_of_a_recipe_made_in_python_are_raised_together(read: Read) -> None:
    recipe = read()
    lost = attrs.evolve(recipe.stages["tune"], after="x")
    with pytest.raises(ExceptionGroup, match="several faults") as raised:
        attrs.evolve(recipe, stages={"a": lost, "b": lost})
    assert [type(error) for error in raised.value.exceptions] == [ValueFaultError, ValueFaultError]


@pytest.mark.parametrize("kind", [Recipe, Stage, Validation])
def test_a_recipe_cannot_be_changed_once_it_is_made(kind: type[Any]) -> None:
    assert kind.__setattr__ is not object.__setattr__
    assert all(field.kw_only for field in attrs.fields(kind))


@pytest.mark.parametrize("kind", [Recipe, Stage, Validation])
def test_every_setting_is_documented(kind: type[Any]) -> None:
    lines = {line.strip().partition(":")[0] for line in (kind.__doc__ or "").splitlines()}
    assert {field.name for field in attrs.fields(kind)} <= lines
