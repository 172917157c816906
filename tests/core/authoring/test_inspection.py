"""What the model gets of a sample, told in numbers and names."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from attrs import evolve

from remgcl import DataError, Engine, Recipe, Region, Sample, WeightsError
from remgcl.core.authoring.inspection import Inspection
from remgcl.core.data.encode import Encoder
from remgcl.core.data.tokens import IGNORED, IMAGE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ask: TypeAlias = Callable[..., Sample]
See: TypeAlias = Callable[..., Inspection]
Read: TypeAlias = Callable[..., Recipe]

LEFT = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))
OUTSIDE = ((50.0, 0.0), (60.0, 0.0), (60.0, 9.0), (50.0, 9.0))


def test_the_counts_are_those_of_the_example(see: See, ask: Ask, encoder: Encoder) -> None:
    seen = see(ask("No A B C D"), evolve(encoder, keep=lambda ids: np.arange(len(ids)) % 3 == 0, max_length=50))

    tokens = seen.example.tokens
    learned, kept = int((tokens.labels != IGNORED).sum()), int(seen.example.kept.sum())
    assert 0 < kept < learned
    assert tokens.cut > 0
    facts = seen.facts()
    assert facts["tokens"] == "50: 16 of the image, 34 of text"
    assert facts["learned"] == str(learned)
    assert facts["kept"] == f"{kept} of {learned}"
    assert facts["cut"] == str(tokens.cut)


def test_image_patches_and_regions_are_told(see: See, ask: Ask) -> None:
    """An image of 40 x 16 is laid on rows 10 to 22 of 32: two of four rows of patches show padding only."""
    regions = (Region("one", LEFT), Region("", LEFT), Region("two", LEFT))

    facts = see(ask(size=(40, 16), regions=regions, name="s-1")).facts()

    assert facts["recipe"] == "small"
    assert facts["stage"] == "tune"
    assert facts["sample"] == "s-1 (index 2 of 5,000)"
    assert facts["image"] == "40 x 16 pixels"
    assert facts["tower's input"] == "32 x 32 pixels (pad)"
    assert facts["patches"] == "4 x 4, 8 of them padding"
    assert facts["regions"] == "2 used, 1 left out"
    assert see(ask(size=(40, 30))).facts()["patches"] == "4 x 4, 0 of them padding"


def test_without_an_image_nothing_is_told_of_one(see: See, ask: Ask) -> None:
    seen = see(ask(size=None, regions=(Region("one", LEFT),)))

    assert seen.regions() == ()
    assert list(seen.facts()) == ["recipe", "stage", "sample", "tokens", "learned", "kept", "cut"]
    assert seen.facts()["tokens"] == "28: 0 of the image, 28 of text"


def test_a_sample_that_stands_in_for_others_says_so(see: See, ask: Ask) -> None:
    told = see(evolve(ask(), stands_in_for=3)).facts()["sample"]
    assert told == "s (index 2 of 5,000, in place of 3 unreadable)"


def test_every_region_is_told_with_its_patches_or_why_it_was_left_out(see: See, ask: Ask) -> None:
    below = ((0.0, 20.0), (40.0, 20.0), (40.0, 30.0), (0.0, 30.0))
    regions = (Region("a", OUTSIDE), Region("b", LEFT), Region("", LEFT), Region("", OUTSIDE), Region("c", below))

    told = see(ask(regions=regions)).regions()

    assert [each.number for each in told] == [1, 2, 3, 4, 5]
    assert [each.region.text for each in told] == ["a", "b", "", "", "c"]
    assert [each.reason for each in told] == ["no patch", "", "no text", "no text", ""]
    # the image lies 4 pixels below the upper edge: LEFT reaches from 4 to 12 pixels, `below` from 20 to 28
    assert [each.patches for each in told] == [(), (0, 4), (), (), (8, 9, 10, 11, 12, 13, 14, 15)]


def test_a_region_that_the_encoder_left_out_for_no_other_reason_was_one_too_many(see: See, ask: Ask) -> None:
    seen = see(ask(regions=(Region("a", LEFT), Region("b", LEFT))))
    image = seen.example.image
    assert image is not None
    found = evolve(image.regions, places=np.array([1]), patch_weights=image.regions.patch_weights[1:], dropped=1)

    told = evolve(seen, example=evolve(seen.example, image=evolve(image, regions=found))).regions()

    assert [each.reason for each in told] == ["one too many", ""]


@pytest.mark.parametrize(
    ("aspect", "corner"), [("pad", (8.0, 12.0)), ("crop", (5.0, 32 / 3)), ("stretch", (8.0, 32 / 3))]
)
def test_corners_are_told_where_they_lie_on_the_towers_input(
    see: See, ask: Ask, encoder: Encoder, aspect: str, corner: tuple[float, float]
) -> None:
    quad = ((10.0, 10.0), (20.0, 10.0), (20.0, 20.0), (10.0, 20.0))
    (region,) = see(ask(regions=(Region("a", quad),)), evolve(encoder, aspect=aspect)).regions()
    assert region.quad.shape == (4, 2)
    assert tuple(region.quad[0]) == pytest.approx(corner, abs=0.5)


def test_every_token_has_its_text_and_its_mark(see: See, ask: Ask, encoder: Encoder) -> None:
    tokens = see(ask("Yes"), evolve(encoder, keep=lambda ids: ids != ids[1])).tokens()
    texts, marks = zip(*tokens, strict=True)
    assert "".join(texts) == "<s>USER: <image: 16 tokens>\nWhat? ASSISTANT: Yes</s>"
    assert marks[:8] == ("given",) * 7 + ("image",)
    assert marks[-5:] == ("kept", "filtered", "kept", "kept", "kept")
    assert set(marks[8:-5]) == {"given"}


def test_a_token_keeps_its_space_and_one_of_broken_characters_its_name(
    see: See, ask: Ask, encoder: Encoder, llama: "PreTrainedTokenizerBase"
) -> None:
    tokens = see(ask("the cat\n\N{GRINNING FACE}"), evolve(encoder, tokenizer=llama)).tokens()
    answer = [text for text, mark in tokens if mark == "kept"]
    assert answer == [" the", " cat", "\n", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "</s>"]


def test_published_samples_are_told_token_by_token_and_region_by_region(see: See, published: SimpleNamespace) -> None:
    for sample in published.samples:
        seen = see(sample, published.encoder)
        ids = seen.example.tokens.ids
        assert len(seen.tokens()) == len(ids)
        assert [mark for _, mark in seen.tokens()].count("image") == (ids == IMAGE).sum()
        assert [each.region for each in seen.regions() if not each.reason] == list(sample.regions)


def test_a_sample_of_a_stage_is_encoded_as_the_stage_does(engine: Engine, read: Read) -> None:
    recipe = read("stages.tune.max_length=99", "stages.tune.image_aspect='crop'", "text_filter='stopwords'")
    seen = engine.inspect(recipe, "tune", 3, "small.toml")
    assert (seen.recipe, seen.stage, seen.index, seen.samples) == ("small", "tune", 3, 4)
    assert seen.sample.id == "train-3"
    assert seen.encoder.template is recipe.stages["tune"].template
    assert (seen.encoder.max_length, seen.encoder.aspect) == (99, "crop")
    assert seen.encoder.keep is not None
    assert seen.example.tokens.ids.tolist() == seen.encoder(seen.sample).tokens.ids.tolist()


def test_the_last_stage_is_shown_unless_another_is_named(engine: Engine, read: Read) -> None:
    assert engine.inspect(read(), None, 0, "small.toml").stage == "tune"
    assert engine.inspect(read(), "pretrain", 0, "small.toml").stage == "pretrain"


@pytest.mark.parametrize("index", [-1, 4, 99])
def test_a_sample_that_is_not_there_is_an_error(engine: Engine, read: Read, index: int) -> None:
    with pytest.raises(DataError, match=rf"^stage 'tune': no sample {index}; there is 0 to 3$"):
        engine.inspect(read(), "tune", index, "small.toml")


def test_no_model_is_built(engine: Engine, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read()

    def build(*_: object, **__: object) -> None:
        raise AssertionError

    for part in (recipe.vision_tower, recipe.projector, recipe.backbone):
        monkeypatch.setattr(type(part), "build", build)
    assert engine.inspect(recipe, None, 0, "small.toml").example.image is not None


def test_a_tokenizer_that_is_not_there_is_an_error(engine: Engine, read: Read, tmp_path: Path) -> None:
    recipe = read(f"backbone.tokenizer='{tmp_path}'")
    with pytest.raises(WeightsError, match=r"cannot be read"):
        engine.inspect(recipe, None, 0, "small.toml")
