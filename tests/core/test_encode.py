"""Encoding: ids as published, labels from the characters of the answers, regions as numbers."""

import json
import logging
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from remgcl import DataError, Piece, Region, Sample, Template, TextFilter, Turn, WeightsError
from remgcl.core.encode import IGNORED, IMAGE, Encoder, Ids, Mask, Tokens, tokenize
from remgcl.core.geometry import content_mask, patch_weights, place
from remgcl.core.pixels import prepare
from remgcl.plugins.templates.chatml import ChatML
from remgcl.plugins.templates.llama_2 import Llama2
from remgcl.plugins.templates.plain import Plain
from remgcl.plugins.templates.v1 import V1
from remgcl.plugins.text_filters.stopwords import StopWords

TEMPLATES: dict[str, Template] = {"plain": Plain(), "v1": V1(), "llama_2": Llama2(), "chatml": ChatML()}
RECORDED = {"plain": "plain", "v1": "v1", "llama_2": "llava_llama_2"}
ENDINGS = {"plain": "\n", "v1": "</s>", "llama_2": "</s>", "chatml": "<|im_end|>"}

CORNERS = ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0))
OUTSIDE = ((50.0, 0.0), (60.0, 0.0), (60.0, 9.0), (50.0, 9.0))

KFC = 6_281_616_287_730_184_539
"""The key of that text."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=16)
conversations = st.lists(st.tuples(texts, texts), min_size=1, max_size=3)

EMOJI = "\N{GRINNING FACE}\N{FAMILY}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}\N{ZERO WIDTH JOINER}\N{HEAVY BLACK HEART}"
ACCENT = "e\N{COMBINING ACUTE ACCENT}"
ODD = [("  two  spaces ", f"{EMOJI} {ACCENT}"), ("\n", ""), ("", "\t \n"), ("ASSISTANT:", "USER: </b>")]


def turns_of(said: Iterable[tuple[str, str]], *, image: bool = True) -> tuple[Turn, ...]:
    """Make the turns of questions and answers; the first question shows the image."""
    turns: list[Turn] = []
    for question, answer in said:
        turns += [Turn("user", question, image=image and not turns), Turn("assistant", answer)]
    return tuple(turns)


def learned_runs(tokens: Tokens) -> list[list[int]]:
    """Give the labels of each stretch of learned tokens."""
    runs = np.split(tokens.labels, np.flatnonzero(np.diff(tokens.labels != IGNORED)) + 1)
    return [run.tolist() for run in runs if len(run) and run[0] != IGNORED]


def record_of(golden: Path, template: str) -> list[dict[str, list[int]]]:
    """Read what the published code made of the samples with a template."""
    held = json.loads((golden / "preprocess.json").read_text(encoding="utf-8"))
    records: list[dict[str, list[int]]] = held["templates"][RECORDED[template]]
    return records


# -- as published


@pytest.mark.parametrize("template", RECORDED)
def test_the_published_ids_are_reproduced(
    template: str, golden: Path, llama: PreTrainedTokenizerBase, golden_samples: dict[str, Sample]
) -> None:
    records = record_of(golden, template)
    found = {
        str(record["id"]): tokenize(TEMPLATES[template].render(golden_samples[str(record["id"])].turns, llama), llama)
        for record in records
    }

    assert len(found) in {3, 5}
    assert {name: tokens.ids.tolist() for name, tokens in found.items()} == {
        str(record["id"]): record["input_ids"] for record in records
    }


@pytest.mark.parametrize("template", ["plain", "v1"])
def test_the_published_labels_are_reproduced(
    template: str, golden: Path, llama: PreTrainedTokenizerBase, golden_samples: dict[str, Sample]
) -> None:
    for record in record_of(golden, template):
        turns = golden_samples[str(record["id"])].turns
        assert tokenize(TEMPLATES[template].render(turns, llama), llama).labels.tolist() == record["labels"]


def test_the_answers_of_llama_2_are_learned_where_the_published_code_drops_the_sample(
    golden: Path, llama: PreTrainedTokenizerBase, golden_samples: dict[str, Sample]
) -> None:
    """Learned are the ids from each `[/INST]` to the next `</s>`."""
    for record in record_of(golden, "llama_2"):
        assert set(record["labels"]) == {IGNORED}
        ids = record["input_ids"]
        written = llama.convert_ids_to_tokens([max(token, 0) for token in ids])
        expected, inside = [], False
        for at, token in enumerate(ids):
            expected.append(token if inside else IGNORED)
            inside = (inside and written[at] != "</s>") or written[at - 2 : at + 1] == ["/", "INST", "]"]

        turns = golden_samples[str(record["id"])].turns
        tokens = tokenize(Llama2().render(turns, llama), llama)

        assert tokens.labels.tolist() == expected
        answers = [turn.text for turn in turns if turn.role == "assistant"]
        assert [llama.decode(run) for run in learned_runs(tokens)] == [f"{answer}</s>" for answer in answers]


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


# -- labels


@pytest.mark.parametrize("template", TEMPLATES)
@settings(deadline=None, max_examples=150)
@given(conversations)
@example(ODD)
def test_what_is_learned_are_the_answers_and_their_endings_byte_for_byte(
    bytewise: PreTrainedTokenizerBase, template: str, said: list[tuple[str, str]]
) -> None:
    tokens = tokenize(TEMPLATES[template].render(turns_of(said), bytewise), bytewise)

    learned = bytewise.decode(tokens.labels[tokens.labels != IGNORED])
    space = " " if template in {"v1", "llama_2"} else ""
    assert learned == "".join(f"{space}{answer}{ENDINGS[template]}" for _, answer in said)


@pytest.mark.parametrize("template", TEMPLATES)
@settings(deadline=None, max_examples=150)
@given(conversations)
@example(ODD)
def test_no_character_of_a_conversation_is_lost(
    bytewise: PreTrainedTokenizerBase, template: str, said: list[tuple[str, str]]
) -> None:
    pieces = TEMPLATES[template].render(turns_of(said), bytewise)

    ids = tokenize(pieces, bytewise).ids

    assert (ids == IMAGE).sum() == 1
    written = "".join(piece.text for piece in pieces)
    assert bytewise.decode(ids[ids != IMAGE]) == "<s>" + written.removeprefix("<s>")


@pytest.mark.parametrize("template", TEMPLATES)
@settings(deadline=None, max_examples=100)
@given(conversations)
@example(ODD)
def test_what_is_learned_are_the_answers_in_llamas_tokens_too(
    llama: PreTrainedTokenizerBase, template: str, said: list[tuple[str, str]]
) -> None:
    """A decoder of SentencePiece drops the one space that it takes for a word's start."""
    tokens = tokenize(TEMPLATES[template].render(turns_of(said), llama), llama)

    space = " " if template in {"v1", "llama_2"} else ""
    written = [f"{space}{answer}{ENDINGS[template]}" for _, answer in said]
    runs = ["".join(written)] if template == "plain" else written  # nothing stands between the answers there
    assert [llama.decode(run) for run in learned_runs(tokens)] == [run.removeprefix(" ") for run in runs]


def words(*vocabulary: str, begin: str | None = None) -> PreTrainedTokenizerFast:
    """Make a tokenizer of whole words; it puts a token before a text if one is named."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    numbers = {word: number for number, word in enumerate(("<unk>", "<s>", *vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, numbers[begin])]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>")  # noqa: S106 - no password


@pytest.mark.parametrize(
    ("pieces", "learned"),
    [
        ([Piece("ab c "), Piece("d", learned=True)], ["d"]),
        ([Piece("ab c"), Piece("d e", learned=True)], ["cd", "e"]),
        ([Piece("a", learned=True), Piece("b c d")], ["ab"]),
        ([Piece("ab "), Piece("", learned=True), Piece("c d")], []),
        ([Piece("ab "), Piece(" ", learned=True), Piece(" cd")], []),
    ],
    ids=["apart", "begins inside", "ends inside", "nothing", "space"],
)
def test_a_token_is_learned_if_it_covers_any_learned_character(pieces: list[Piece], learned: list[str]) -> None:
    tokenizer = words("ab", "c", "d", "cd", "e")

    tokens = tokenize(pieces, tokenizer)

    assert tokenizer.convert_ids_to_tokens(tokens.labels[tokens.labels != IGNORED]) == learned
    assert ((tokens.labels == IGNORED) | (tokens.labels == tokens.ids)).all()


def test_text_is_joined_between_images_and_never_across_one() -> None:
    tokenizer = words("ab", "a", "b")

    joined = tokenize([Piece("a"), Piece("b")], tokenizer)
    parted = tokenize([Piece("a"), Piece(image=True), Piece("b"), Piece(image=True)], tokenizer)

    assert tokenizer.convert_ids_to_tokens(joined.ids) == ["ab"]
    assert parted.ids.tolist() == [3, IMAGE, 4, IMAGE]
    assert parted.labels.tolist() == [IGNORED] * 4


@pytest.mark.parametrize(
    ("pieces", "ids"),
    [
        ([Piece("a", learned=True)], [1, 2]),
        ([Piece("<s> a", learned=True)], [1, 2]),
        ([Piece(image=True), Piece("a")], [1, IMAGE, 2]),
        ([], [1]),
    ],
    ids=["text", "written", "image", "nothing"],
)
def test_the_token_that_begins_a_sequence_comes_first_once(pieces: list[Piece], ids: list[int]) -> None:
    assert tokenize(pieces, words("a", begin="<s>")).ids.tolist() == ids


def test_the_token_that_begins_a_sequence_is_learned_only_where_the_template_writes_it_in_an_answer() -> None:
    tokenizer = words("a", begin="<s>")

    assert tokenize([Piece("a", learned=True)], tokenizer).labels.tolist() == [IGNORED, 2]
    assert tokenize([Piece("<s> a", learned=True)], tokenizer).labels.tolist() == [1, 2]


def test_a_tokenizer_that_begins_no_sequence_is_given_no_token_for_it() -> None:
    assert tokenize([Piece("a")], words("a")).ids.tolist() == [2]
    assert tokenize([], words("a")).ids.tolist() == []


def test_a_tokenizer_without_offsets_is_refused_by_name() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(WeightsError, match=r"^tokenizer Slow: gives no character offsets; a fast tokenizer is needed$"):
        tokenize([Piece("a")], Slow())


def test_a_text_longer_than_the_tokenizer_expects_is_cut_later_and_warned_of_nowhere(
    bytewise: PreTrainedTokenizerBase, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytewise, "model_max_length", 8)
    monkeypatch.setattr(bytewise, "deprecation_warnings", {})
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)

    assert len(tokenize([Piece("x" * 100)], bytewise).ids) == 101
    assert caplog.records == []


# -- length


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 30), st.integers(1, 9), st.integers(1, 60))
def test_a_cut_takes_the_end_of_the_text_and_never_the_image(
    learned: list[bool], at: int, image_tokens: int, room: int
) -> None:
    at = min(at, len(learned))
    ids = np.insert(np.arange(1, len(learned) + 1), at, IMAGE)
    labels = np.where(np.insert(learned, at, values=False), ids, IGNORED)
    length = image_tokens + room

    fitted = Tokens(ids=ids, labels=labels).fit(length, image_tokens)

    text = fitted.ids[fitted.ids != IMAGE]
    assert text.tolist() == list(range(1, min(len(learned), room) + 1))
    assert fitted.cut == max(len(learned) - room, 0)
    assert fitted.ids.tolist().index(IMAGE) == min(at, len(text))
    assert fitted.labels.tolist() == labels[np.isin(ids, fitted.ids)].tolist()
    assert len(text) + image_tokens <= length


def test_a_conversation_that_just_fits_is_left_whole() -> None:
    tokens = Tokens(ids=np.array([5, IMAGE, 6]), labels=np.array([IGNORED, IGNORED, 6]))

    assert tokens.fit(6, 4) is tokens
    assert tokens.fit(5, 4).ids.tolist() == [5, IMAGE]
    assert tokens.fit(5, 4).cut == 1


def test_without_an_image_all_the_length_is_for_text() -> None:
    tokens = Tokens(ids=np.arange(9), labels=np.arange(9))

    assert tokens.fit(9, 1000) is tokens
    assert tokens.fit(4, 1000).ids.tolist() == [0, 1, 2, 3]


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
    sample = Sample("s", turns_of([("one?", "1"), ("two?", "2")], image=False))

    prompt = encoder.prompt(sample).tokens

    assert bytewise.decode(prompt.ids) == "<s>USER: one? ASSISTANT: 1</s>USER: two? ASSISTANT:"
    assert [bytewise.decode(run) for run in learned_runs(prompt)] == [" 1</s>"]


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
