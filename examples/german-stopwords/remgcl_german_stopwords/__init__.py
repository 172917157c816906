"""A text filter for remgcl: German stop words.

The list is a file beside this one. It holds the closed classes of words, which
no text is about: articles, pronouns, prepositions, conjunctions, auxiliary and
modal verbs with their forms, particles, and adverbs of place, time and reason;
and punctuation. Each word stands there twice: with a small letter behind a
space, so that it is not found at the end of another, and with a capital one, as
it begins a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen
from remgcl import Engine, TextFilter, hookimpl

REMGCL_API = 1

WORDS = Path(__file__).with_name("german.json")
"""The stop words, as the part `stopwords` reads them."""


@frozen(kw_only=True)
class GermanStopWords(TextFilter):
    """Drop every token that a German stop word covers, as `stopwords` does with a list of words."""

    def build(self, tokenizer: Any) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Let the part `stopwords` find them."""
        stop_words: Any = Engine.installed().registry.find("text_filters", "stopwords")
        chosen: TextFilter = stop_words(words=str(WORDS))
        return chosen.build(tokenizer)


@hookimpl
def remgcl_register_text_filters() -> Mapping[str, type[TextFilter]]:
    """Name the text filter."""
    return {"german-stopwords": GermanStopWords}
