"""A tokenizer read by name, as both backbones need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from remgcl import read_json, reading_weights
from remgcl.plugins.backbones.sentencepiece_model import read_sentencepiece

FAMILIES = {
    "LlamaTokenizer": ("llama", "llava", "mistral", "mixtral"),
    "GemmaTokenizer": ("gemma", "paligemma"),
    "T5Tokenizer": ("t5", "mt5", "umt5"),
}
"""Model types, or their beginnings, whose tokenizer is of a class where no file names it."""


def read_tokenizer(name: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Read a tokenizer.

    Args:
        name: Folder or hub id.

    Raises:
        WeightsError: There is no readable tokenizer.
    """
    with reading_weights(name):
        tokenizer = _read(name)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def _read(name: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Read the files as they are, whatever class the model's type names.

    `AutoTokenizer` builds the class of the model's type anew, with that class's
    normalizer and pre-tokenizer in place of those of `tokenizer.json`.
    """
    from transformers import AutoTokenizer, TokenizersBackend

    config = read_json(name, "tokenizer_config.json") or {}
    if "auto_map" in config:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)  # it refuses to run the code
    if read_json(name, "tokenizer.json") is not None:
        return TokenizersBackend.from_pretrained(name, trust_remote_code=False)
    model = Path(name) / "tokenizer.model"
    if model.is_file():
        return read_sentencepiece(name, model, config.get("tokenizer_class") or _class_of(name))
    return AutoTokenizer.from_pretrained(name, trust_remote_code=False)


def _class_of(name: str) -> str:
    """Name the class of the tokenizer of a model's family; none if the family is unknown."""
    config = read_json(name, "config.json") or {}
    family = str(config.get("model_type"))
    known = (kind for kind, families in FAMILIES.items() if family.startswith(families))
    return config.get("tokenizer_class") or next(known, "")
