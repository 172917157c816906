"""Tokenizers that are only a SentencePiece model, against SentencePiece itself."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from remgcl import WeightsError
from remgcl.plugins.backbones.tokenizer import read_tokenizer

WORDS = ("total", "price", "spaces", "lead", "item", "line", "table", "two", "the", "value", "number", "page", "text")
STRETCHES = [*WORDS[:6], "a", " ", "  ", "\n", "\t", "\u00e9", "\N{GRINNING FACE}", "<sep>", "7"]
MODELS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "bpe", "byte_fallback": True, "remove_extra_whitespaces": False},
    "not legacy": {"model_type": "bpe", "byte_fallback": True, "remove_extra_whitespaces": False, "legacy": False},
    "no dummy prefix": {"model_type": "bpe", "byte_fallback": True, "add_dummy_prefix": False},
    "t5": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc"},
    "unigram, not legacy": {"model_type": "unigram", "byte_fallback": True, "legacy": False},
    "user's symbols": {"model_type": "bpe", "byte_fallback": True, "user_defined_symbols": ["<sep>"]},
}


def train(folder: Path, *, legacy: bool = True, **options: Any) -> sentencepiece.SentencePieceProcessor:  # noqa: ANN401 - options of the trainer
    """Train a small model into a folder, with the settings of Llama's tokenizer."""
    lines = [" ".join(WORDS[(i * 7 + j * j) % len(WORDS)] for j in range(12)) for i in range(300)]
    held = io.BytesIO()
    given = {"normalization_rule_name": "identity", "vocab_size": 400 if options.get("byte_fallback") else 90}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=held,
        minloglevel=3,
        num_threads=1,
        hard_vocab_limit=False,
        **{**given, **options},
    )
    (folder / "tokenizer.model").write_bytes(held.getvalue())
    told = {"tokenizer_class": "LlamaTokenizer", "legacy": legacy, "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return sentencepiece.SentencePieceProcessor(model_proto=held.getvalue())


@pytest.fixture(scope="module", params=MODELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """SentencePiece's own processor, and what is read of the same model."""
    folder = tmp_path_factory.mktemp("model")
    return train(folder, **MODELS[request.param]), read_tokenizer(str(folder))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STRETCHES), max_size=12).map("".join))
@example("")
@example("  lead")
@example("text  ")
@example("total    price\n\n  item")
def test_the_ids_are_those_of_sentencepiece(both: tuple[Any, Any], text: str) -> None:
    own, read = both

    assert read.encode(text, add_special_tokens=False) == own.encode(text)


def test_the_token_of_a_class_that_begins_texts_comes_first(tmp_path: Path) -> None:
    train(tmp_path, **MODELS["llama"])
    assert read_tokenizer(str(tmp_path))("").input_ids == [1]

    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**told, "add_bos_token": False}))
    assert read_tokenizer(str(tmp_path))("").input_ids == []

    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**told, "tokenizer_class": "T5Tokenizer"}))
    assert read_tokenizer(str(tmp_path))("a").input_ids[-1] == 2


@pytest.mark.parametrize(
    ("family", "first"), [("llama", [1]), ("llava_llama", [1]), ("gemma2", [1]), ("opt", []), (None, [])]
)
def test_without_settings_the_family_of_the_model_says_what_comes_first(
    family: str | None, first: list[int], tmp_path: Path
) -> None:
    own = train(tmp_path, **MODELS["llama"])
    (tmp_path / "tokenizer_config.json").unlink()
    if family:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    assert read_tokenizer(str(tmp_path))("two  spaces").input_ids == [*first, *own.encode("two  spaces")]


def test_text_behind_a_special_token_gets_the_prefix_of_its_own_that_legacy_tokenizers_give(tmp_path: Path) -> None:
    """As in the prompts of Vicuna, where an answer ends with the end token and the next turn follows."""
    own = train(tmp_path, **MODELS["llama"])
    file = tmp_path / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "legacy": None}))  # the default
    read = read_tokenizer(str(tmp_path))
    assert read.encode("two</s> lead", add_special_tokens=False) == [*own.encode("two"), 2, *own.encode(" lead")]


def test_a_model_that_cannot_be_read_the_same_is_refused(tmp_path: Path) -> None:
    train(tmp_path, model_type="unigram", treat_whitespace_as_suffix=True)

    with pytest.raises(WeightsError, match=r"tokenizer.model: cannot be made a fast tokenizer; 'a' is \[.*\] by Sent"):
        read_tokenizer(str(tmp_path))
