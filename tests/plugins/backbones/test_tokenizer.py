"""Tokenizers read by name."""

import json
import re
import shutil
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from remgcl import WeightsError
from remgcl.plugins.backbones.tokenizer import read_tokenizer


def _set(folder: Path, **settings: object) -> None:
    """Change the configuration of a tokenizer; None takes a setting out."""
    file = folder / "tokenizer_config.json"
    held = {**json.loads(file.read_text()), **settings}
    file.write_text(json.dumps({name: value for name, value in held.items() if value is not None}))


def test_it_is_the_one_in_the_folder(folder: Path, bytewise: PreTrainedTokenizerBase) -> None:
    read = read_tokenizer(str(folder))
    assert read("A sign…").input_ids == bytewise("A sign…").input_ids
    assert read.pad_token == "<pad>"  # noqa: S105 - no password


@pytest.mark.parametrize(
    ("unknown", "padding"), [(None, "</s>"), ("<s>", "<s>")], ids=["the end of a sequence", "the unknown token"]
)
def test_a_tokenizer_without_padding_pads_with_another_token(folder: Path, unknown: str | None, padding: str) -> None:
    _set(folder, pad_token=None, unk_token=unknown)
    read = read_tokenizer(str(folder))
    assert read.pad_token == padding
    assert read.pad_token_id == read.convert_tokens_to_ids(padding)


def test_the_published_tokenizer_gives_the_published_ids(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden" / "p16"
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(golden / "llava-tiny" / name, tmp_path)
    read = read_tokenizer(str(tmp_path))
    texts = json.loads((golden / "stopwords.json").read_text())
    for text, labels in zip(texts["texts"], texts["labels"], strict=True):
        assert read(text, add_special_tokens=False).input_ids == [label for label in labels if label >= 0]
    assert read.is_fast
    assert read("")["input_ids"] == [1]
    assert read.pad_token_id == 0


@pytest.mark.parametrize("name", ["", "/no/such/folder"])
def test_a_missing_tokenizer_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    name = name or str(tmp_path)
    with pytest.raises(WeightsError, match=f"^weights {re.escape(repr(name))}: cannot be read; "):
        read_tokenizer(name)


def test_the_code_of_a_tokenizer_is_never_run(folder: Path) -> None:
    marker = folder / "was-here"
    (folder / "own.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    _set(folder, auto_map={"AutoTokenizer": ["own.Own", "own.Own"]}, tokenizer_class="Own")
    with pytest.raises(WeightsError, match="contains custom code"):
        read_tokenizer(str(folder))
    assert not marker.exists()


def test_a_folder_in_llavas_original_format_gives_llamas_tokens(shared: Path) -> None:
    tokenizer = read_tokenizer(str(shared / "golden" / "p16" / "llava-tiny"))
    assert tokenizer("KFC")["input_ids"] == [1, 476, 8610]
    assert tokenizer.pad_token_id == 0


def test_tokenizer_json_counts_whatever_class_the_model_names(folder: Path, bytewise: PreTrainedTokenizerBase) -> None:
    """Llama's class would write a space before the text, as a piece that the file does not have."""
    _set(folder, tokenizer_class="LlamaTokenizer")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))

    read = read_tokenizer(str(folder))

    assert read("two  spaces\n x").input_ids == bytewise("two  spaces\n x").input_ids
