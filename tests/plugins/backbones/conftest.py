"""The tokenizer of bytes, in memory and in a folder."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from remgcl.plugins.backbones.tiny import TinyBackbone


@pytest.fixture(scope="session")
def bytewise() -> PreTrainedTokenizerBase:
    """The tokenizer with a token for each byte."""
    return TinyBackbone().build_tokenizer()


@pytest.fixture
def folder(tmp_path: Path, bytewise: PreTrainedTokenizerBase) -> Path:
    """A folder that holds the tokenizer of bytes."""
    bytewise.save_pretrained(tmp_path)
    return tmp_path
