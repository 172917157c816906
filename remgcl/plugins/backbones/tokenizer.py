"""A tokenizer read by name, as both backbones need it."""

from __future__ import annotations

from typing import Any

from remgcl import reading_weights


def read_tokenizer(name: str) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Read a tokenizer.

    Args:
        name: Folder or hub id.

    Raises:
        WeightsError: There is none that can be read.
    """
    from transformers import AutoTokenizer

    with reading_weights(name):
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer
