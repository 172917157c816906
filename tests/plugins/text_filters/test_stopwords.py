"""The filter of stop words, against the published masks and against the plainest search."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from remgcl import DataError, Engine
from remgcl.plugins.text_filters.stopwords import ENGLISH, Matcher, StopWords, _encode

TOKENIZER = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json")


@pytest.fixture(scope="module")
def bytewise(engine: Engine) -> PreTrainedTokenizerBase:
    """A tokenizer with a token for each byte."""
    return engine.registry.find("backbones", "tiny")().build_tokenizer()


@pytest.fixture(scope="module", params=["as Vicuna's", "as LLaVA's"])
def llama(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> PreTrainedTokenizerBase:
    """The published tokenizer, which transformers reads in another way beside a configuration of LLaVA."""
    folder = shared / "golden" / "p14" / "llava-tiny"
    if request.param == "as Vicuna's":
        alone = tmp_path_factory.mktemp("tokenizer")
        for name in TOKENIZER:
            shutil.copy(folder / name, alone)
        folder = alone
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def pairs() -> PreTrainedTokenizerBase:
    """A byte-level tokenizer of pairs of bytes, trained on the spot."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    text = "harbor lights\nharbor of lights and the harbor\nthe lights\n"
    trained.train_from_iterator([text] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=trained)


@pytest.fixture(scope="module", params=["Llama's", "pairs", "bytewise"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """Tokenizers that write the beginning of a word in different ways."""
    if request.param == "Llama's":
        folder: Path = request.getfixturevalue("shared")
        return AutoTokenizer.from_pretrained(folder / "golden" / "p14" / "llava-tiny")
    found: PreTrainedTokenizerBase = request.getfixturevalue(request.param)
    return found


def _words(folder: Path, content: str | bytes, name: str = "words.json") -> StopWords:
    """Write a list of words, and name it."""
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return StopWords(words=str(file))


def _kept(words: StopWords, tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Write a text with a dot in place of each token that is dropped."""
    ids = np.array(tokenizer.encode(text, add_special_tokens=False))
    kept = words.build(tokenizer)(ids)
    return "".join(tokenizer.decode(one) if keep else "." for one, keep in zip(ids, kept, strict=True))


def test_our_list_is_the_published_one_each_word_once(recorded: Path) -> None:
    published = json.loads((recorded / "stopwords_list.json").read_text())
    assert json.loads(ENGLISH.read_text(encoding="utf-8")) == list(dict.fromkeys(entry["text"] for entry in published))


def test_every_word_is_encoded_as_published(shared: Path, llama: PreTrainedTokenizerBase) -> None:
    published = json.loads((shared / "golden" / "stopwords_list.json").read_text())
    assert len(published) == 918
    for entry in published:
        assert _encode(entry["text"], "a" if entry["text"][0].isspace() else "\n", llama) == entry["llama_ids"], entry[
            "text"
        ]


@pytest.mark.parametrize("folder", ["p14", "p16"])
def test_it_drops_what_the_published_filter_means_to_drop(
    shared: Path, llama: PreTrainedTokenizerBase, folder: str
) -> None:
    keep = StopWords().build(llama)
    texts = json.loads((shared / "golden" / folder / "stopwords.json").read_text())
    batch = np.load(shared / "golden" / folder / "forward.npz")
    labels = [*texts["labels"], *batch["spliced_labels"]]
    masks = [*texts["exact"], *batch["stop_mask_exact"]]
    assert len(labels) == 6
    for row, mask in zip(map(np.array, labels), map(np.array, masks), strict=True):
        supervised = row >= 0
        assert keep(row[supervised]).tolist() == mask[supervised].astype(bool).tolist()


@given(
    sequences=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), max_size=6),
    ids=st.lists(st.integers(0, 6), max_size=30),
)
def test_a_matcher_finds_what_the_plainest_search_finds(sequences: list[list[int]], ids: list[int]) -> None:
    """Few different numbers, so that sequences begin alike, overlap and stand inside one another."""
    kept = [True] * len(ids)
    for sequence in sequences:
        for start in range(len(ids) - len(sequence) + 1):
            if ids[start : start + len(sequence)] == sequence:
                kept[start : start + len(sequence)] = [False] * len(sequence)
    found = Matcher(sequences)(np.array(ids, dtype=np.int64))
    assert found.dtype == np.bool_
    assert found.tolist() == kept


@given(st.lists(st.lists(st.integers(150_000, 152_000), min_size=1, max_size=4), min_size=1, max_size=20))
def test_a_matcher_works_with_the_ids_of_a_large_vocabulary(sequences: list[list[int]]) -> None:
    ids = np.array([token for sequence in sequences for token in (7, *sequence)], dtype=np.int64)
    covered = ~Matcher(sequences)(ids)
    assert covered.tolist() == [token != 7 for token in ids.tolist()]


def test_a_matcher_does_not_change_what_it_looks_at() -> None:
    ids = np.array([1, 2, 3])
    Matcher([[2, 3]])(ids)
    assert ids.tolist() == [1, 2, 3]


def test_it_travels_to_loader_workers(bytewise: PreTrainedTokenizerBase) -> None:
    keep = StopWords().build(bytewise)
    ids = np.array(bytewise.encode("The sign is about, however, a KFC.", add_special_tokens=False))
    assert pickle.loads(pickle.dumps(keep))(ids).tolist() == keep(ids).tolist()  # noqa: S301 - pickled a line above
    assert not keep(ids).all()


@pytest.mark.parametrize(
    ("words", "text", "kept"),
    [
        ([" the"], "the cat sat on the mat", "the cat sat on.... mat"),
        (["the"], "the cat sat on the mat", "... cat sat on ... mat"),
        ([" on the", " o"], "sits on the mat", "sits....... mat"),
        (["\n"], "one\ntwo\n\n", "one.two.."),
        ([" "], "a b  c", "a.b..c"),
        (["é"], "café né", "caf.. n.."),
        (["aa"], "aaa b aaaa", "... b ...."),
        ([], "nothing is dropped", "nothing is dropped"),
    ],
)
def test_words_are_dropped_wherever_they_stand(
    tmp_path: Path,
    bytewise: PreTrainedTokenizerBase,
    words: list[str],
    text: str,
    kept: str,
) -> None:
    """With a token for each byte, so that the tokens of a word are its letters."""
    assert _kept(_words(tmp_path, json.dumps(words)), bytewise, text) == kept


def test_a_line_break_is_found_by_a_tokenizer_that_joins_line_breaks(tmp_path: Path) -> None:
    vocabulary = {"a": 0, "\n": 1, "\n\n": 2}
    joining = Tokenizer(models.BPE(vocab=vocabulary, merges=[("\n", "\n")]))
    joining.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n+"), "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=joining)
    keep = _words(tmp_path, json.dumps(["\n"])).build(tokenizer)
    assert keep(np.array(tokenizer.encode("a\na"))).tolist() == [True, False, True]


def test_our_list_drops_all_of_a_plain_sentence_and_nothing_of_names(bytewise: PreTrainedTokenizerBase) -> None:
    words = StopWords()
    assert set(_kept(words, bytewise, "The image is, however, about it.")) == {"."}
    assert _kept(words, bytewise, "KFC Walmart 42") == "KFC.Walmart.42"


HARBOR = "Harbor lights. harbor, the harbor\nharbor of lights\nlights"


@pytest.mark.parametrize("name", ["words.txt", "words.json", "words"])
def test_a_word_of_ones_own_list_is_found_after_a_space_and_where_a_text_or_a_line_begins(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    content = '["harbor", "of lights"]' if name == "words.json" else "\ufeff  harbor \r\n\n of lights"
    keep = _words(tmp_path, content, name).build(tokenizer)

    for text in (HARBOR, HARBOR[len("Harbor lights. ") :]):
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        kept = keep(np.array(encoding["input_ids"]))
        left = list(text)
        for (start, end), keeps in zip(encoding["offset_mapping"], kept, strict=True):
            left[start:end] = left[start:end] if keeps else [""] * (end - start)

        assert "".join("".join(left).split()) == re.sub(r"harbor|of lights|\s", "", text)


def test_the_two_forms_of_a_word_have_tokens_of_their_own(
    llama: PreTrainedTokenizerBase, pairs: PreTrainedTokenizerBase
) -> None:
    """Else the test above would show nothing."""
    for each in (llama, pairs):
        assert _encode("harbor", "\n", each) != _encode("harbor", "a ", each)


def test_a_word_that_starts_with_a_space_is_found_there_only(tmp_path: Path, llama: PreTrainedTokenizerBase) -> None:
    keep = _words(tmp_path, '[" harbor"]').build(llama)
    begins, follows = _encode("harbor", "\n", llama), _encode("harbor", "a ", llama)

    assert keep(np.array(begins)).all()
    assert not keep(np.array(follows)).any()


def test_a_word_that_the_tokenizer_turns_into_nothing_drops_nothing(tmp_path: Path) -> None:
    small = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))  # noqa: S106 - no password
    small.normalizer = normalizers.Replace("\u00ad", "")
    small.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=small)

    keep = _words(tmp_path, "\u00ad\nb\n", "words.txt").build(tokenizer)

    assert keep(np.array([0, 1, 2, 0])).tolist() == [True, False, True, True]


def test_an_empty_answer_has_nothing_to_drop(bytewise: PreTrainedTokenizerBase) -> None:
    assert StopWords().build(bytewise)(np.array([], dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "stop words cannot be read; Expecting value"),
        ('["a", ', "stop words cannot be read; Expecting value"),
        (b'["\xff"]', "stop words cannot be read; 'utf-8' codec can't decode"),
        ('{"a": 1}', "must hold a JSON list of texts"),
        ('"a"', "must hold a JSON list of texts"),
        ('["a", 3]', "must hold a JSON list of texts"),
        ('["a", ""]', "must hold a JSON list of texts"),
    ],
)
def test_a_broken_list_is_an_error_that_names_its_file(
    tmp_path: Path,
    bytewise: PreTrainedTokenizerBase,
    content: str | bytes,
    message: str,
) -> None:
    words = _words(tmp_path, content)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'words.json'}: {message}")):
        words.build(bytewise)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "stop words cannot be read; there is no word in it"),
        (" \n\n", "stop words cannot be read; there is no word in it"),
        (b"caf\xe9", "stop words cannot be read; 'utf-8' codec can't decode"),
    ],
)
def test_a_broken_text_file_is_an_error_that_names_it(
    tmp_path: Path, bytewise: PreTrainedTokenizerBase, content: str | bytes, message: str
) -> None:
    words = _words(tmp_path, content, "words.txt")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'words.txt'}: {message}")):
        words.build(bytewise)


def test_a_folder_is_no_list(tmp_path: Path, bytewise: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match=r"stop words cannot be read; .*Is a directory"):
        StopWords(words=str(tmp_path)).build(bytewise)


def test_a_missing_list_is_an_error_that_names_its_file(tmp_path: Path, bytewise: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: stop words cannot be read; .*No such file"):
        StopWords(words=str(tmp_path / "nowhere.json")).build(bytewise)
