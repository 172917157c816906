"""Encoding: prompts as published, what is cut and kept of a conversation, regions as numbers."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from attrs import evolve
from transformers import PreTrainedTokenizerBase

from remgcl import DataError, Region, Sample, TextFilter, Turn
from remgcl.core.data.encode import Encoder
from remgcl.core.data.geometry import content_mask, patch_weights, place
from remgcl.core.data.pixels import prepare
from remgcl.core.data.tokens import IGNORED, IMAGE, Ids, Mask
from remgcl.plugins.text_filters.stopwords import StopWords

CORNERS = ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0))
OUTSIDE = ((50.0, 0.0), (60.0, 0.0), (60.0, 9.0), (50.0, 9.0))

KFC = 6_281_616_287_730_184_539
"""The key of that text."""

# -- as published


@pytest.mark.parametrize("name", ["kfc-1", "walmart-1"])
def test_the_published_prompts_are_reproduced(
    name: str, golden: Path, published: SimpleNamespace, golden_samples: dict[str, Sample]
) -> None:
    [record] = [each for each in json.loads((golden / "generate.json").read_text("utf-8")) if each["id"] == name]
    sample = golden_samples[name]
    first = evolve(sample, turns=sample.turns[:2])

    prompt = published.encoder.prompt(first)

    assert prompt.tokens.ids.tolist() == record["prompt_ids"]
    assert set(prompt.tokens.labels) == {IGNORED}
    assert not prompt.kept.any()


def test_the_published_batch_is_reproduced_before_it_is_padded(published: SimpleNamespace) -> None:
    recorded = zip(*(published.arrays[name] for name in ("attention_mask", "input_ids", "labels")), strict=True)
    for sample, (mask, ids, labels) in zip(published.samples, recorded, strict=True):
        tokens = published.encoder(sample).tokens
        assert tokens.ids.tolist() == ids[mask].tolist()
        assert tokens.labels.tolist() == labels[mask].tolist()


# -- samples


def test_an_example_holds_the_cut_conversation_and_tells_how_much_was_cut(
    encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    whole = encoder(ask("a long answer"))
    short = evolve(encoder, max_length=encoder.tower.tokens + 30)(ask("a long answer"))

    assert whole.tokens.cut == 0
    assert short.tokens.cut == len(whole.tokens.ids) - 31
    assert short.tokens.ids.tolist() == whole.tokens.ids[:31].tolist()
    assert len(short.kept) == 31


def test_the_filter_sees_the_learned_tokens_that_are_left_and_no_others(
    encoder: Encoder, ask: Callable[..., Sample], bytewise: PreTrainedTokenizerBase
) -> None:
    seen: list[Ids] = []

    def keep(ids: Ids) -> Mask:
        seen.append(ids)
        return ids % 2 == 0

    sample = ask("an answer")
    example = evolve(encoder, keep=keep, max_length=encoder.tower.tokens + 32)(sample)

    assert bytewise.decode(seen[0]) == " an answ"
    labels = example.tokens.labels
    assert example.kept.tolist() == ((labels != IGNORED) & (labels % 2 == 0)).tolist()


def test_without_a_filter_every_learned_token_is_kept(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    example = encoder(ask())

    assert example.kept.tolist() == (example.tokens.labels != IGNORED).tolist()
    assert example.kept.sum() == len(" yes") + 1


def test_an_answer_of_stop_words_alone_keeps_nothing(
    llama: PreTrainedTokenizerBase, encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    stopwords: TextFilter = StopWords()
    example = evolve(encoder, tokenizer=llama, keep=stopwords.build(llama))(ask("It is the"))

    assert (example.tokens.labels != IGNORED).sum() == 4
    assert llama.decode(example.tokens.labels[example.kept]) == "</s>"


def test_a_prompt_ends_where_the_last_answer_begins(encoder: Encoder, bytewise: PreTrainedTokenizerBase) -> None:
    said = (Turn("user", "one?"), Turn("assistant", "1"), Turn("user", "two?"), Turn("assistant", "2"))
    sample = Sample("s", said)

    prompt = encoder.prompt(sample).tokens

    assert bytewise.decode(prompt.ids) == "<s>USER: one? ASSISTANT: 1</s>USER: two? ASSISTANT:"
    assert bytewise.decode(prompt.labels[prompt.labels != IGNORED]) == " 1</s>"


@pytest.mark.parametrize(
    ("shows", "size", "told"),
    [
        ((True, False), None, "has no image; 1 of its turns show one"),
        ((False, False), (4, 4), "has an image; 0 of its turns show one"),
        ((True, True), (4, 4), "has an image; 2 of its turns show one"),
    ],
)
def test_an_image_and_turns_that_disagree_are_an_error(
    shows: tuple[bool, bool], size: tuple[int, int] | None, told: str, encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    turns = tuple(turn for show in shows for turn in (Turn("user", "a", image=show), Turn("assistant", "b")))
    sample = evolve(ask(size=size, name="no 7"), turns=turns)

    for encode in (encoder, encoder.prompt):
        with pytest.raises(DataError, match=f"^sample 'no 7': {told}$"):
            encode(sample)


def test_a_length_that_the_image_fills_is_an_error(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    full = evolve(encoder, max_length=16)

    assert encoder.tower.tokens == 16
    assert len(full(ask(size=None)).tokens.ids) == 16
    with pytest.raises(DataError, match=r"^max_length: 16 leaves no room for text; an image takes 16 tokens$"):
        full(ask())
    assert evolve(encoder, max_length=17)(ask()).tokens.ids.tolist() == [1, IMAGE]


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
def test_an_image_is_prepared_for_the_tower_and_the_aspect(
    aspect: str, encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    sample = ask(size=(40, 16), regions=(Region("HI", CORNERS),))
    assert sample.image is not None
    tower = encoder.tower

    image = evolve(encoder, aspect=aspect)(sample).image

    pixels, placement = prepare(sample.image, tower.size, aspect, tower.mean)
    assert image is not None
    assert (image.pixels == pixels).all()
    assert image.patch_mask.tolist() == content_mask(placement, tower.grid).tolist()
    assert image.patch_mask.all() == (aspect != "pad")
    assert image.regions.patch_weights == pytest.approx(patch_weights([CORNERS], placement, tower.grid))
    assert image.regions.patch_weights.dtype == np.float32


def test_an_image_is_resized_as_the_encoder_says(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    sample = ask(size=(90, 61))
    tower = encoder.tower

    image = evolve(encoder, resampling="fast")(sample).image

    assert sample.image is not None
    assert image is not None
    assert (image.pixels == prepare(sample.image, tower.size, "pad", tower.mean, "fast")[0]).all()
    assert (image.pixels != prepare(sample.image, tower.size, "pad", tower.mean)[0]).any()


def test_a_conversation_without_an_image_has_none_whatever_else_it_has(
    encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    assert encoder(ask(size=None, regions=(Region("HI", CORNERS),))).image is None


def test_an_example_remembers_how_many_samples_it_stands_in_for(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    assert encoder(ask()).replaced == 0
    assert encoder(evolve(ask(), stands_in_for=3)).replaced == 3


# -- regions


def test_regions_without_a_patch_or_a_text_are_dropped_and_counted(
    encoder: Encoder, ask: Callable[..., Sample], bytewise: PreTrainedTokenizerBase
) -> None:
    regions = (
        Region("one", CORNERS, 0.25),
        Region("", CORNERS, 0.5),
        Region("outside", OUTSIDE, 0.75),
        Region("two \N{GRINNING FACE}", CORNERS, 1.0),
    )

    image = encoder(ask(regions=regions)).image

    assert image is not None
    found = image.regions
    assert found.dropped == 2
    assert found.places.tolist() == [0, 3]
    assert [bytewise.decode(ids) for ids in found.ids] == ["one", "two \N{GRINNING FACE}"]
    assert found.confidence.tolist() == [0.25, 1.0]
    assert found.patch_weights.shape == (2, 16)
    assert found.patch_weights.sum(axis=1) == pytest.approx([1, 1])


def test_the_weights_of_a_region_stay_its_own_when_others_are_dropped(
    encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    below = ((0.0, 20.0), (40.0, 20.0), (40.0, 30.0), (0.0, 30.0))
    regions = (Region("outside", OUTSIDE), Region("one", CORNERS), Region("", CORNERS), Region("two", below))

    image = encoder(ask(regions=regions)).image

    assert image is not None
    expected = patch_weights([CORNERS, below], place((40, 30), (32, 32), "pad"), encoder.tower.grid)
    assert image.regions.patch_weights == pytest.approx(expected)


def test_an_image_without_regions_has_empty_arrays_of_the_right_width(
    encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    image = encoder(ask()).image

    assert image is not None
    assert image.regions.patch_weights.shape == (0, 16)
    assert image.regions.ids == ()
    assert len(image.regions.keys) == len(image.regions.confidence) == image.regions.dropped == 0


def test_the_text_of_a_region_begins_no_sequence(
    llama: PreTrainedTokenizerBase, encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    image = evolve(encoder, tokenizer=llama)(ask(regions=(Region("KFC", CORNERS),))).image

    assert image is not None
    assert image.regions.ids[0].tolist() == llama.encode("KFC")[1:]


def test_equal_texts_have_equal_keys_in_every_process(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    regions = tuple(Region(text, CORNERS) for text in ("KFC", "kfc", "KFC", "KFC "))

    image = encoder(ask(regions=regions)).image

    assert image is not None
    keys = image.regions.keys
    assert keys.dtype == np.int64
    assert keys[0] == keys[2] == KFC  # written down: a hash that differs by process would break this
    assert len(set(keys.tolist())) == 3


def test_the_surest_regions_are_kept_in_their_order_and_the_rest_counted(
    encoder: Encoder, ask: Callable[..., Sample], bytewise: PreTrainedTokenizerBase
) -> None:
    """Thousands of lines, as a page of small print may have."""
    sure = np.random.default_rng(0).permutation(5000) / 5000
    regions = tuple(Region(f"{place}", CORNERS, float(each)) for place, each in enumerate(sure))

    image = encoder(ask(regions=regions)).image

    assert image is not None
    assert image.regions.dropped == 5000 - 256
    surest = np.sort(np.argsort(-sure)[:256])
    assert [bytewise.decode(ids) for ids in image.regions.ids] == [f"{place}" for place in surest]
    assert image.regions.confidence == pytest.approx(sure[surest].astype(np.float32))
    assert image.regions.patch_weights.shape == (256, 16)


@pytest.mark.parametrize(("most", "kept"), [(1, [1]), (2, [0, 1]), (3, [0, 1, 3]), (4, [0, 1, 3])])
def test_only_regions_that_can_be_used_are_chosen_from_and_the_first_of_equals_wins(
    most: int, kept: list[int], encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    regions = (
        Region("a", CORNERS, 0.5),
        Region("b", CORNERS, 0.9),
        Region("c", OUTSIDE, 1.0),
        Region("d", CORNERS, 0.5),
    )

    image = evolve(encoder, max_regions=most)(ask(regions=regions)).image

    assert image is not None
    assert [ids.tolist() for ids in image.regions.ids] == [
        encoder.tokenizer.encode(regions[place].text, add_special_tokens=False) for place in kept
    ]
    assert image.regions.dropped == 4 - len(kept)


@pytest.mark.parametrize(
    "region",
    [
        Region("outside", OUTSIDE),
        Region("before", ((-30.0, -30.0), (-9.0, -30.0), (-9.0, -9.0), (-30.0, -9.0))),
        Region("a point", ((5.0, 5.0),) * 4),
        Region("a line", ((0.0, 5.0), (20.0, 5.0), (20.0, 5.0), (0.0, 5.0))),
        Region("", CORNERS),
    ],
    ids=lambda region: region.text or "no text",
)
def test_a_region_that_is_nowhere_or_says_nothing_is_counted_and_breaks_nothing(
    region: Region, encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    for others in ((), (Region("KFC", CORNERS),)):
        image = encoder(ask(regions=(region, *others))).image
        assert image is not None
        assert image.regions.dropped == 1
        assert len(image.regions.ids) == len(image.regions.patch_weights) == len(others)


def test_a_text_of_which_the_tokenizer_makes_nothing_is_counted(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    class Deaf:
        """Hears no white space."""

        def __getattr__(self, name: str) -> object:
            return getattr(encoder.tokenizer, name)

        def __call__(self, *given: object, **options: object) -> object:
            return encoder.tokenizer(*given, **options)

        def encode(self, text: str, **options: object) -> object:
            return encoder.tokenizer.encode(text.strip(), **options)

    image = evolve(encoder, tokenizer=Deaf())(ask(regions=(Region("  ", CORNERS), Region("a", CORNERS)))).image

    assert image is not None
    assert (len(image.regions.ids), image.regions.dropped) == (1, 1)


def test_regions_are_laid_on_the_grid_that_is_forced_and_its_patches_are_taken_for_the_first_of_the_tower(
    encoder: Encoder, ask: Callable[..., Sample]
) -> None:
    """The upper left of four places, whatever the tower's 4 x 4 patches."""
    image = evolve(encoder, region_grid=2)(ask(size=(32, 32), regions=(Region("a", CORNERS),))).image

    assert image is not None
    covered = [1 if each else 0 for each in image.regions.patch_weights[0]]
    assert covered == [1, 1] + [0] * 14  # 20 x 15 pixels reach the two upper ones of 16 x 16
    assert image.regions.patch_weights.dtype == np.float32
    assert image.regions.patch_weights.sum() == pytest.approx(1)


def test_the_grid_of_the_tower_forced_is_the_towers(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    sample = ask(regions=(Region("a", CORNERS),))
    own, forced = encoder(sample).image, evolve(encoder, region_grid=4)(sample).image

    assert own is not None
    assert forced is not None
    assert (own.regions.patch_weights == forced.regions.patch_weights).all()


def test_the_published_regions_are_those_of_14_by_14_places(published: SimpleNamespace) -> None:
    """Patch for patch, as an area of at least 5 % of a place says."""
    encoder = evolve(published.encoder, region_grid=14)
    for sample, size, lines in zip(
        published.samples,
        published.record["padded_sizes"],
        published.record["ocr_on_padded_image"],
        strict=True,
    ):
        image = encoder(sample).image
        assert len(image.regions.patch_weights) == len(lines)
        for found, (quad, _) in zip(image.regions.patch_weights, lines, strict=True):
            (left, *_, right), (top, *_, bottom) = (
                sorted(corner[axis] * 14 / size[axis] for corner in quad) for axis in (0, 1)
            )
            owned = [
                14 * row + column
                for row in range(14)
                for column in range(14)
                if max(0, min(right, column + 1) - max(left, column)) * max(0, min(bottom, row + 1) - max(top, row))
                >= 0.05
            ]
            assert np.flatnonzero(found).tolist() == owned


def test_equal_pictures_and_equal_kept_tokens_have_equal_keys(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    one, same, other = encoder(ask("yes")), encoder(ask("yes", "And then?")), encoder(ask("no!"))
    assert one.image is not None
    assert same.image is not None
    assert one.key == same.key != other.key
    assert one.image.key == same.image.key
    assert encoder(ask("yes, of course")).image.key != one.image.key  # type: ignore[union-attr]
    assert -(2**63) <= one.key < 2**63


def test_the_key_of_an_answer_is_that_of_what_the_filter_kept(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    picky = evolve(encoder, keep=lambda ids: ids != encoder.tokenizer.encode("e", add_special_tokens=False)[0])
    assert encoder(ask("yes")).key != encoder(ask("ys")).key
    assert picky(ask("yes")).key == picky(ask("ys")).key == encoder(ask("ys")).key


def test_an_encoder_can_be_sent_to_a_loader_worker(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    sample = ask(regions=(Region("KFC", CORNERS),))
    sent = evolve(encoder, keep=StopWords().build(encoder.tokenizer))

    here, there = sent(sample), pickle.loads(pickle.dumps(sent))(sample)  # noqa: S301 - our own bytes

    assert here.tokens.ids.tolist() == there.tokens.ids.tolist()
    assert here.kept.tolist() == there.kept.tolist()
    assert here.image is not None
    assert there.image is not None
    assert (here.image.pixels == there.image.pixels).all()
    assert here.image.regions.keys.tolist() == there.image.regions.keys.tolist()


def test_half_a_surrogate_pair_is_told_by_sample_and_turn(encoder: Encoder) -> None:
    message = r"^sample 's': turn 2: holds half of a surrogate pair, '\\ud83d' at character 3$"

    with pytest.raises(DataError, match=message):
        encoder(Sample("s", (Turn("user", "q"), Turn("assistant", "ok \ud83d"))))


def test_half_a_surrogate_pair_is_told_by_region(encoder: Encoder, ask: Callable[..., Sample]) -> None:
    sample = evolve(ask(), regions=(Region("x\udc00", CORNERS),))

    with pytest.raises(DataError, match=r"region 1: holds half of a surrogate pair, '\\udc00' at character 1$"):
        encoder(sample)


def test_a_prompt_that_is_too_long_keeps_its_question_and_the_mark(
    encoder: Encoder, bytewise: PreTrainedTokenizerBase
) -> None:
    said = (Turn("user", "one? " * 20), Turn("assistant", "1"), Turn("user", "two?"), Turn("assistant", "2"))
    whole = encoder.prompt(Sample("s", said)).tokens

    prompt = evolve(encoder, max_length=40).prompt(Sample("s", said)).tokens

    assert bytewise.decode(prompt.ids).endswith("USER: two? ASSISTANT:")
    assert len(prompt.ids) <= 40
    assert prompt.cut == len(whole.ids) - len(prompt.ids)
