"""The plan: what a run will do, and everything that would stop it, at once."""

from collections.abc import Callable
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from remgcl import (
    Census,
    DataError,
    Dataset,
    Fault,
    FaultsError,
    Recipe,
    Region,
    Sample,
    Samples,
    VisionTower,
    WeightsError,
)
from remgcl.core.ocr.cache import OcrCache
from remgcl.core.planning.plan import LOOKED_AT, Coverage, make_plan
from remgcl.core.recipe.recipe import Validation

Read = Callable[..., Recipe]


@frozen(kw_only=True)
class Counted(Dataset):
    """A dataset that answers, or raises, what it is given, and remembers how often it was asked."""

    samples: int = 10
    images: int = 4
    error: Exception | None = field(default=None, eq=False)
    asked: list[str] = field(factory=list, eq=False)
    shares: dict[str, float] = field(factory=dict)

    def census(self) -> Census:
        """Answer or raise."""
        self.asked.append("census")
        if self.error:
            raise self.error
        return Census(samples=self.samples, images=self.images, digest="0f", notes=("a note",))

    def build(self) -> Samples:
        """Fail: a plan builds nothing."""
        raise AssertionError


@frozen(kw_only=True)
class Lost(VisionTower):
    """A tower whose weights are nowhere, or are not what they should be."""

    there: bool = False

    def verify(self) -> None:
        """Fail, if there are none."""
        if not self.there:
            raise WeightsError("weights 'x': are not there")

    def spec(self) -> Any:  # noqa: ANN401 - it never answers
        """Fail."""
        raise WeightsError("weights 'x': cannot be read")

    def build(self, *, pretrained: bool = True) -> Any:  # noqa: ANN401 - it never answers
        """Fail: a plan builds nothing."""
        raise AssertionError(pretrained)


def with_data(recipe: Recipe, **changes: Any) -> Recipe:  # noqa: ANN401 - settings of any stage
    """Change settings of both stages of a recipe."""
    return evolve(recipe, stages={name: evolve(stage, **changes) for name, stage in recipe.stages.items()})


def faults_of(recipe: Recipe) -> list[str]:
    """Tell what would stop a recipe."""
    with pytest.raises(FaultsError) as raised:
        make_plan(recipe, "a.toml")
    return [str(fault) for fault in raised.value.faults]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["vision_tower.channels=[4, 8, 16]", "vision_tower.strides=[[2, 4], [2, 1], [4, 2]]"],
        ["vision_tower.size=[40, 24]", "vision_tower.channels=[5]", "vision_tower.strides=[[8, 8]]"],
        ["backbone.layers=3", "backbone.mlp=7", "backbone.tied=false"],
        ["backbone.width=32", "backbone.heads=4", "projector=linear"],
        ["projector.depth=1"],
        ["projector.depth=4"],
        ["projector=identity", "backbone.width=8", 'stages.pretrain.train=["vision_tower"]'],
    ],
    ids=" ".join,
)
def test_the_parameters_told_are_those_of_the_built_modules(read: Read, overrides: list[str]) -> None:
    recipe = read(*overrides)
    tower, width = recipe.vision_tower, recipe.backbone.spec().width
    built = {
        "vision_tower": tower.build(),
        "projector": recipe.projector.build(tower.spec().width, width),
        "backbone": recipe.backbone.build(),
    }
    counts = {part: sum(each.numel() for each in module.parameters()) for part, module in built.items()}
    assert make_plan(recipe, "a.toml").parameters == counts


def test_parameters_are_counted_without_making_a_tensor(read: Read) -> None:
    """A contract's own count builds the part where no memory is taken."""
    from remgcl.core.parts import Projector

    projector = read().projector
    assert Projector.parameters(projector, 40_000, 40_000) == projector.parameters(40_000, 40_000) > 3 * 10**9


def test_parameters_are_not_counted_where_nobody_asks(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read()
    monkeypatch.setattr(type(recipe.backbone), "parameters", lambda _: 1 / 0)
    assert make_plan(recipe, "a.toml", counted=False).parameters == {}


def test_a_plan_tells_the_tokens_of_an_image_and_what_the_data_hold(read: Read) -> None:
    held_out = Validation(data=Counted(samples=3, images=3))
    plan = make_plan(with_data(read(), data=Counted(), validation=held_out), "a.toml")
    assert plan.image_tokens == 4
    assert list(plan.stages) == ["pretrain", "tune"]
    told = plan.stages["tune"]
    assert (told.train.samples, told.train.images, told.train.notes) == (10, 4, ("a note",))
    assert told.held_out is not None
    assert told.held_out.samples == 3


def test_without_validation_nothing_is_held_out(read: Read) -> None:
    assert make_plan(read(), "a.toml").stages["tune"].held_out is None


def counted_steps(samples: int, batch_size: int, accumulation: int, epochs: float) -> int:
    """Count the steps of a training the plainest way: a step whenever enough batches came, or an epoch ends."""
    steps = 0
    for batch, start in enumerate(range(0, samples, batch_size), start=1):
        steps += batch % accumulation == 0 or start + batch_size >= samples
    return ceil(steps * epochs)


@given(
    samples=st.integers(1, 200),
    batch_size=st.integers(1, 40),
    accumulation=st.integers(1, 9),
    epochs=st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0]),
)
def test_steps_are_those_of_a_training_on_one_device(
    small: Recipe, samples: int, batch_size: int, accumulation: int, epochs: float
) -> None:
    recipe = with_data(
        small,
        data=Counted(samples=samples),
        batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        epochs=epochs,
    )
    steps = make_plan(recipe, "a.toml", counted=False).stages["tune"].steps
    assert steps == counted_steps(samples, batch_size, accumulation, epochs)


@pytest.fixture(scope="module")
def small(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Recipe:  # noqa: ANN401 - an engine
    """A recipe that every example of a property may share."""
    path = tmp_path_factory.mktemp("plan") / "small.toml"
    stage = "train = ['projector']\ntemplate = 'plain'\ndata = 'synthetic'\n"
    parts = "vision_tower = 'tiny'\nprojector = 'linear'\nbackbone = 'tiny'\nrunner = 'local'\n"
    path.write_text(f"name = 'small'\n{parts}[stages.tune]\n{stage}")
    recipe: Recipe = engine.read(path)
    return recipe


@pytest.mark.parametrize(
    ("batches", "accumulation", "epochs"),
    [(5, 2, 3.0), (4, 2, 1.0), (1, 8, 2.0), (7, 3, 0.5), (6, 6, 1.5)],
)
def test_steps_are_those_that_the_trainer_of_transformers_takes(
    read: Read, batches: int, accumulation: int, epochs: float
) -> None:
    from types import SimpleNamespace

    from transformers import Trainer

    args = SimpleNamespace(max_steps=-1, num_train_epochs=epochs, gradient_accumulation_steps=accumulation)
    trainer = SimpleNamespace(
        get_total_train_batch_size=lambda _: 1, get_sp_size=lambda: 1, num_examples=len, num_tokens=lambda *_: 0
    )
    args.include_num_input_tokens_seen = "no"
    *_, taken = Trainer.set_initial_training_values(trainer, args, range(batches))  # type: ignore[arg-type]
    recipe = with_data(
        read(), data=Counted(samples=batches), batch_size=1, gradient_accumulation_steps=accumulation, epochs=epochs
    )
    assert make_plan(recipe, "a.toml", counted=False).stages["tune"].steps == taken


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            ["stages.tune.max_length=4"],
            ["a.toml: stages.tune.max_length: 4 leaves no room for text; an image takes 4 tokens"],
        ),
        (["stages.tune.max_length=5"], []),
        (["stages.tune.max_length=128"], []),
        (
            ["stages.tune.max_length=129"],
            ["a.toml: stages.tune.max_length: 129 is more than the backbone can attend to; that is 128"],
        ),
        (
            ["backbone.max_length=3", "stages.tune.max_length=4", "stages.pretrain.max_length=3"],
            [
                "a.toml: stages.pretrain.max_length: 3 leaves no room for text; an image takes 4 tokens",
                "a.toml: stages.tune.max_length: 4 leaves no room for text; an image takes 4 tokens",
                "a.toml: stages.tune.max_length: 4 is more than the backbone can attend to; that is 3",
            ],
        ),
    ],
)
def test_a_length_that_image_or_backbone_forbid_is_told(read: Read, overrides: list[str], told: list[str]) -> None:
    recipe = read(*overrides)
    assert (faults_of(recipe) if told else make_plan(recipe, "a.toml") and []) == told


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["stages.tune.region_grid=2"], []),
        (
            ["stages.tune.region_grid=3"],
            ["a.toml: stages.tune.region_grid: 3 is more than the tower has; its patches are 2 x 2"],
        ),
        (["stages.tune.losses.global.text_layer=1"], []),
        (["stages.tune.losses.global.text_layer=-1"], []),
        (
            ["stages.tune.losses.global.text_layer=2", "stages.pretrain.losses.mine={use='global', text_layer=-2}"],
            [
                "a.toml: stages.pretrain.losses.mine.text_layer: no layer -2; the backbone has 1",
                "a.toml: stages.tune.losses.global.text_layer: no layer 2; the backbone has 1",
            ],
        ),
    ],
)
def test_grids_and_layers_that_tower_or_backbone_do_not_have_are_told(
    read: Read, overrides: list[str], told: list[str]
) -> None:
    recipe = read(*overrides)
    assert (faults_of(recipe) if told else make_plan(recipe, "a.toml") and []) == told


def test_widths_that_the_projector_cannot_join_are_told(read: Read) -> None:
    assert faults_of(read("projector=identity")) == [
        "a.toml: projector: projector: identity needs one width; the tower has 8, the backbone 16"
    ]


def test_the_faults_of_weights_data_and_lengths_are_told_together(read: Read) -> None:
    records = FaultsError([Fault("x.json", "record 1", "is wrong"), Fault("x.json", "record 2", "is wrong")])
    recipe = evolve(read(), vision_tower=Lost())
    stages = {
        "pretrain": evolve(recipe.stages["pretrain"], data=Counted(samples=1, error=records)),
        "tune": evolve(
            recipe.stages["tune"],
            data=Counted(samples=2, error=DataError("y.json: cannot be read")),
            validation=Validation(data=Counted(samples=3, error=WeightsError("no tokenizer"))),
            max_length=999,
        ),
    }
    assert faults_of(evolve(recipe, stages=stages)) == [
        "a.toml: vision_tower: weights 'x': are not there",
        "x.json: record 1: is wrong",
        "x.json: record 2: is wrong",
        "y.json: cannot be read",
        "a.toml: stages.tune.validation.data: no tokenizer",
        "a.toml: stages.tune.max_length: 999 is more than the backbone can attend to; that is 128",
    ]


def test_faults_are_told_even_if_parameters_are_not_counted(read: Read) -> None:
    with pytest.raises(FaultsError, match=r"^a\.toml: vision_tower: weights 'x': are not there$"):
        make_plan(evolve(read(), vision_tower=Lost()), "a.toml", counted=False)


@pytest.mark.parametrize(("there", "told"), [(False, "are not there"), (True, "cannot be read")])
def test_nothing_is_asked_of_weights_that_are_not_there(read: Read, there: bool, told: str) -> None:  # noqa: FBT001
    """A library may make something up where it finds nothing."""
    assert faults_of(evolve(read(), vision_tower=Lost(there=there))) == [f"a.toml: vision_tower: weights 'x': {told}"]


def test_a_fault_that_is_found_twice_is_told_once(read: Read) -> None:
    one, other = (Counted(samples=samples, error=DataError("y.json: is empty")) for samples in (1, 2))
    assert faults_of(with_data(read(), data=one, validation=Validation(data=other))) == ["y.json: is empty"]


def test_weights_that_are_not_there_are_told_for_both_parts(read: Read) -> None:
    told = faults_of(
        read(
            "vision_tower={ use = 'clip', weights = '/nowhere/tower' }",
            "backbone={ use = 'causal_lm', weights = '/nowhere/model' }",
            "stages.tune.data={ use = 'llava_json', path = '/nowhere/data.json' }",
        )
    )
    assert "a.toml: vision_tower: weights '/nowhere/tower': there is no such folder" in told
    assert "a.toml: backbone: weights '/nowhere/model': there is no such folder" in told
    assert "/nowhere/data.json: cannot be read; no such file or directory" in told


def test_equal_datasets_are_counted_once(read: Read) -> None:
    """A census may open every image there is."""
    first, same, other = Counted(), Counted(), Counted(samples=11)
    recipe = with_data(read(), data=first, validation=Validation(data=same))
    recipe = evolve(recipe, stages={**recipe.stages, "more": evolve(recipe.stages["tune"], after=None, data=other)})
    plan = make_plan(recipe, "a.toml")
    assert (len(first.asked), len(same.asked), len(other.asked)) == (1, 0, 1)
    assert [stage.train.samples for stage in plan.stages.values()] == [10, 10, 11]


def test_a_dataset_need_not_be_hashable(read: Read) -> None:
    data = Counted(shares={"a": 0.5})
    with pytest.raises(TypeError, match="unhashable"):
        hash(data)
    assert make_plan(with_data(read(), data=data), "a.toml").stages["tune"].train.samples == 10


def test_a_fault_of_the_program_is_not_told_as_one_of_the_users(read: Read) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug"):
        make_plan(with_data(read(), data=Counted(error=ZeroDivisionError("a bug"))), "a.toml")


@define
class Pictures:
    """Samples with pictures of one grey each, some with regions of their own, and texts in between."""

    length: int
    asked: list[int] = Factory(list)

    def __len__(self) -> int:
        """Count them."""
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Make one: a text, a picture with a region, or two pictures without."""
        self.asked.append(index)
        image = Image.new("RGB", (2, 2), (index % 256, index // 256, 0)) if index % 4 else None
        regions = (Region("own", ((0, 0), (1, 0), (1, 1), (0, 1))),) if index % 4 == 1 else ()
        return Sample(str(index), (), image, regions)

    def modality_lengths(self) -> list[int]:
        """Give none."""
        return []


@frozen(kw_only=True)
class Pictured(Dataset):
    """A dataset of such samples."""

    length: int = 8
    made: Pictures = field(init=False, eq=False, default=Factory(lambda self: Pictures(self.length), takes_self=True))

    def census(self) -> Census:
        """Count them."""
        return Census(samples=self.length, images=self.length // 2 or 1, digest="0f")

    def build(self) -> Samples:
        """Give them."""
        return self.made


def test_a_plan_tells_how_many_images_the_ocr_cache_knows(read: Read, cached: Callable[..., Path]) -> None:
    """Texts, and images with regions of their own, do not need it."""
    data, held_out = Pictured(length=16), Pictured(length=4)
    path = cached(*(data.made[place] for place in (1, 2, 3, 6)))
    recipe = with_data(read(), data=data, ocr=str(path))
    recipe.stages["tune"] = evolve(recipe.stages["tune"], validation=Validation(data=held_out))
    plan = make_plan(recipe, "a.toml")
    told = plan.stages["tune"].ocr
    assert told is not None
    assert (told.origin.engine, told.origin.version) == ("made-up", "made-up 1")
    assert (told.train, told.held_out) == (Coverage(images=8, covered=3), Coverage(images=2, covered=2))
    first = plan.stages["pretrain"].ocr
    assert first is not None
    assert (first.held_out, first.digest) == (None, OcrCache.open(path).digest)


@pytest.mark.parametrize("length", [1, 1999, 2000, 2001, 123_456])
def test_no_more_than_two_thousand_samples_are_looked_at_evenly_spread(
    length: int, read: Read, cached: Callable[..., Path]
) -> None:
    data = Pictured(length=length)
    recipe = with_data(read(), data=data, ocr=str(cached()))
    recipe.stages.pop("tune")
    make_plan(recipe, "a.toml")
    asked = data.made.asked
    assert len(asked) == min(length, LOOKED_AT)
    assert asked == sorted(set(asked))
    gaps = {second - first for first, second in pairwise(asked)}
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
    assert length - asked[-1] <= ceil(length / LOOKED_AT)


def test_images_are_not_looked_at_where_nobody_asks(read: Read, cached: Callable[..., Path]) -> None:
    data = Pictured()
    told = make_plan(with_data(read(), data=data, ocr=str(cached())), "a.toml", counted=False).stages["tune"].ocr
    assert told is not None
    assert (told.train, data.made.asked) == (None, [])


def test_a_cache_that_is_missing_or_broken_is_a_fault_of_its_key(
    read: Read, cached: Callable[..., Path], tmp_path: Path
) -> None:
    path = cached(Pictures(4)[3])
    (shard,) = path.glob("*.arrow")
    shard.write_bytes(b"")
    told = faults_of(with_data(read("stages.pretrain.learning_rate=0.1"), ocr=str(path), max_length=2))
    broken = f"{shard}: is broken or cut off; delete it and run remgcl ocr again, which recognises its images again"
    assert [fault for fault in told if ".ocr: " in fault] == [
        f"a.toml: stages.pretrain.ocr: {broken}",
        f"a.toml: stages.tune.ocr: {broken}",
    ]
    assert any("max_length" in fault for fault in told)
    (missing, _) = faults_of(with_data(read(), ocr=str(tmp_path / "none")))
    assert missing == (
        f"a.toml: stages.pretrain.ocr: {tmp_path}/none: is no OCR cache; "
        "there is no about.json, which remgcl ocr writes"
    )


def test_tokens_without_a_row_in_the_embedding_table_are_told(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read()
    spec = type(recipe.backbone).spec
    monkeypatch.setattr(type(recipe.backbone), "spec", lambda self: evolve(spec(self), vocabulary=257))

    with pytest.raises(FaultsError) as told:
        make_plan(recipe, "r.toml", counted=False)

    assert str(told.value).startswith(
        "r.toml: backbone: the tokenizer has 259 tokens and the embedding table 257 rows; 2 tokens have no row, "
    )
