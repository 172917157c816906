"""The text filter keeps the contract of its kind, and drops the words of its list."""

import json
from typing import Any

import numpy as np
import pytest
from remgcl import Backbone, Engine
from remgcl.testing import conformance

from remgcl_german_stopwords import WORDS, GermanStopWords

TestGermanStopWords = conformance(GermanStopWords())


@pytest.fixture(scope="module")
def tokenizer() -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """A tokenizer with one token for each byte."""
    tiny: Any = Engine.installed().registry.find("backbones", "tiny")
    backbone: Backbone = tiny()
    return backbone.build_tokenizer()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Auf dem Schild steht Ruhetag", " Schild steht Ruhetag"),
        ("Die Rechnung für Müller", " Rechnung Müller"),
        ("Summe: 12 Euro", "Summe 12 Euro"),
        ("Museum um 8", "Museum 8"),
    ],
)
def test_stop_words_are_dropped_and_the_others_kept(text: str, left: str, tokenizer: Any) -> None:  # noqa: ANN401 - as above
    ids = np.array(tokenizer(text, add_special_tokens=False)["input_ids"])
    kept = GermanStopWords().build(tokenizer)(ids)
    assert tokenizer.decode(ids[kept]) == left


def test_every_word_stands_there_behind_a_space_and_with_a_capital_letter() -> None:
    words = json.loads(WORDS.read_text(encoding="utf-8"))
    assert len(words) == len(set(words)) > 1000
    small = [word.removeprefix(" ") for word in words if word.startswith(" ")]
    assert all(word[0].islower() for word in small)
    assert {word[0].upper() + word[1:] for word in small} == {word for word in words if word[0].isupper()}
