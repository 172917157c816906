"""A rendered conversation as ids and labels: as published, and from spans whatever text and tokenizer."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from remgcl import Piece, Sample, Template, Turn, WeightsError
from remgcl.core.data.tokens import IGNORED, IMAGE, Tokens, tokenize
from remgcl.plugins.templates.chatml import ChatML
from remgcl.plugins.templates.llama_2 import Llama2
from remgcl.plugins.templates.plain import Plain
from remgcl.plugins.templates.v1 import V1

TEMPLATES: dict[str, Template] = {"plain": Plain(), "v1": V1(), "llama_2": Llama2(), "chatml": ChatML()}
RECORDED = {"plain": "plain", "v1": "v1", "llama_2": "llava_llama_2"}
ENDINGS = {"plain": "\n", "v1": "</s>", "llama_2": "</s>", "chatml": "<|im_end|>"}

SPECIAL = ("<s>", "</s>", "<pad>", "<unk>")
"""What both tokenizers read as one token wherever it stands; all else is text."""

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\N{LOWER ONE EIGHTH BLOCK}")  # Llama's space
texts = st.text(letters, max_size=16).filter(lambda text: not any(token in text for token in SPECIAL))
conversations = st.lists(st.tuples(texts, texts), min_size=1, max_size=3)

EMOJI = "\N{GRINNING FACE}\N{FAMILY}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}\N{ZERO WIDTH JOINER}\N{HEAVY BLACK HEART}"
ACCENT = "e\N{COMBINING ACUTE ACCENT}"
ODD = [("  two  spaces ", f"{EMOJI} {ACCENT}"), ("\n", ""), ("", "\t \n"), ("ASSISTANT:", "USER: </b>")]


def turns_of(said: Iterable[tuple[str, str]]) -> tuple[Turn, ...]:
    """Make the turns of questions and answers; the first question shows the image."""
    turns: list[Turn] = []
    for question, answer in said:
        turns += [Turn("user", question, image=not turns), Turn("assistant", answer)]
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
    """A decoder of SentencePiece drops one space; in front of a text, that is the one it put there."""
    tokens = tokenize(TEMPLATES[template].render(turns_of(said), llama), llama)

    space = " " if template in {"v1", "llama_2"} else ""
    written = [f"{space}{answer}{ENDINGS[template]}" for _, answer in said]
    runs = ["".join(written)] if template == "plain" else written  # nothing stands between the answers there
    due = runs if template == "plain" else [run.removeprefix(" ") for run in runs]  # an answer begins a text there
    assert [llama.decode(run) for run in learned_runs(tokens)] == due


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


def spaced(*, trim: bool) -> PreTrainedTokenizerFast:
    """Make a tokenizer of bytes with a token of two spaces, as GPT-NeoX has; its offsets may leave spaces out."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    known = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "\u0120\u0120"]
    vocabulary = {token: place for place, token in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("\u0120", "\u0120")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    last = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=trim), last])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")  # noqa: S106 - no password


@settings(deadline=None, max_examples=100)
@given(st.text("ab \n\t.", min_size=1, max_size=20))
@example("Qty  Price\n  1   2.50")
def test_white_space_of_an_answer_is_learned_whatever_offsets_the_tokenizer_gives(answer: str) -> None:
    pieces = V1(system="").render((Turn("user", "q"), Turn("assistant", answer)), spaced(trim=True))

    plain, trimmed = (tokenize(pieces, spaced(trim=trim)) for trim in (False, True))

    assert trimmed.ids.tolist() == plain.ids.tolist()
    assert trimmed.labels.tolist() == plain.labels.tolist()
    learned = spaced(trim=False).decode(trimmed.labels[trimmed.labels != IGNORED])
    assert learned == f" {answer}<|endoftext|>"


def test_a_token_that_the_tokenizer_puts_behind_a_text_is_not_put_in_front() -> None:
    from tokenizers import processors

    tokenizer = words("a")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <s>", special_tokens=[("<s>", 1)]
    )

    assert tokenize([Piece("a")], tokenizer).ids.tolist() == [2]


def test_all_tokens_that_the_tokenizer_puts_before_a_text_come_first_once() -> None:
    from tokenizers import processors

    tokenizer = words("a", "gmask")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="gmask <s> $A", special_tokens=[("<s>", 1), ("gmask", 3)]
    )

    assert tokenize([Piece("a")], tokenizer).ids.tolist() == [3, 1, 2]
    assert tokenize([Piece("gmask <s> a")], tokenizer).ids.tolist() == [3, 1, 2]
