"""A tokenizer read by name, as both backbones need it."""

from __future__ import annotations

from typing import Any

from remgcl import read_json, reading_weights


def read_tokenizer(name: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Read a tokenizer.

    Args:
        name: Folder or hub id.

    Raises:
        WeightsError: There is none that can be read.
    """
    with reading_weights(name):
        tokenizer = _class(name).from_pretrained(name, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def _class(name: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Choose the class that reads a tokenizer.

    Where there is only a SentencePiece model, its class decides how text
    becomes pieces. `AutoTokenizer` goes by the model's type first, and loses
    Llama's leading space beside a configuration of LLaVA's original format.
    """
    import transformers

    told = read_json(name, "tokenizer_config.json") or {}
    if read_json(name, "tokenizer.json") is None:
        return getattr(transformers, str(told.get("tokenizer_class")), transformers.AutoTokenizer)
    return transformers.AutoTokenizer
