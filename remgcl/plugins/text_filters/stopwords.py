"""Removes stop words from the text side of the contrastive losses, exactly and fast.

REMGCL drops every token that a stop word covers. The published code compares
ids by a float32 convolution, which misses some; this compares whole numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from remgcl import DataError, TextFilter, token_spans

ENGLISH = Path(__file__).with_name("english.json")
"""REMGCL's list: punctuation, openers of sentences, and English stop words."""


@frozen(kw_only=True)
class StopWords(TextFilter):
    """Drop every token that a stop word covers.

    A word of your own list is found after a space and at the beginning of a text or line, whatever
    its tokens there. A word that starts with white space is found only as it is written. Case
    counts. REMGCL's list, the default of `words`, is used as published: it contains both forms.

    A filter sees tokens, not words: if a longer word contains all tokens of a stop word, they are dropped there too.

    Attributes:
        words: A file, UTF-8: a JSON list of texts if its name ends in `.json`, otherwise one word or phrase a
            line; by default REMGCL's English list.
    """

    words: str | None = None

    def build(self, tokenizer: Any) -> Matcher:  # noqa: ANN401 - as in the contract
        """Encode the list with a tokenizer.

        A word that the tokenizer turns into nothing cannot be found.

        Raises:
            DataError: The list cannot be read, or is empty.
        """
        beginnings = ("\n",) if self.words is None else ("\n", "a ")
        places = [(word, ("a",) if word[0].isspace() else beginnings) for word in self._read()]
        encoded = [_encode(word, before, tokenizer) for word, each in places for before in each]
        return Matcher([sequence for sequence in encoded if sequence])

    def _read(self) -> list[str]:
        path = Path(self.words) if self.words is not None else ENGLISH
        try:
            text = path.read_text(encoding="utf-8-sig")
            words = json.loads(text) if path.suffix == ".json" else _lines(text)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: stop words cannot be read; {error}") from None
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise DataError(f"{path}: must hold a JSON list of texts")
        return words


class Matcher:
    """Finds sequences of ids in a longer one, all at once.

    A table by id holds whether an id is a sequence of its own (1), the second of
    a longer one (2), the first of a longer one (4); that settles nearly all
    places of a text. From the others a trie is walked, one step for all places:
    a node is a beginning of a sequence, an edge is the number ``node * size +
    id``, the edges are sorted.
    """

    def __init__(self, sequences: list[list[int]]) -> None:
        """Build table and trie.

        Args:
            sequences: What to find; none empty.
        """
        ends = {tuple(sequence) for sequence in sequences}
        self._longest = max(map(len, ends), default=0)
        self._size = 2 + max((max(sequence) for sequence in ends), default=-1)  # the last stands for all other ids
        self._roles = np.zeros(self._size, dtype=np.uint8)
        for first, *others in ends:
            self._roles[first] |= 4 if others else 1
            self._roles[others[:1]] |= 2
        longer = sorted({sequence[:end] for sequence in ends for end in range(2, len(sequence) + 1)}, key=len)
        nodes = {beginning: self._size + i for i, beginning in enumerate(longer)}  # that of a single id is the id
        edges = np.array([nodes.get(b[:-1], b[0]) * self._size + b[-1] for b in longer], dtype=np.int64)
        order = np.argsort(edges)
        self._edges = np.append(edges[order], np.iinfo(np.int64).max)
        self._nodes = order + self._size
        self._ends = np.array([beginning in ends for beginning in longer], dtype=np.bool_)[order]

    def __call__(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Mark the tokens that no sequence covers.

        Args:
            ids: Token ids `[T]`.

        Returns:
            True where a token is kept `[T]`.
        """
        roles = self._roles.take(ids, mode="clip")
        kept: npt.NDArray[np.bool_] = (roles & 1) == 0
        starts = (roles[:-1] >= 4).nonzero()[0]  # noqa: PLR2004 - as in the table
        starts = starts[(roles[starts + 1] & 2) > 0]
        nodes = ids[starts]
        for length in range(2, self._longest + 1):
            inside = starts <= len(ids) - length
            starts, nodes = starts[inside], nodes[inside]
            following = ids[starts + (length - 1)]
            wanted = nodes * self._size + np.minimum(following, self._size - 1)
            places = self._edges.searchsorted(wanted)
            found = self._edges[places] == wanted
            starts, places = starts[found], places[found]
            if not len(starts):
                break
            nodes = self._nodes[places]
            covered = starts[self._ends[places]]
            for offset in range(length):
                kept[covered + offset] = False
        return kept


def _lines(text: str) -> list[str]:
    """Return the non-empty lines, stripped."""
    words = [line.strip() for line in text.splitlines() if line.strip()]
    if not words:
        raise ValueError("there is no word in it")
    return words


def _encode(word: str, before: str, tokenizer: Any) -> list[int]:  # noqa: ANN401 - as in the contract
    """Return the tokens that cover a word where it stands behind a text that no tokenizer joins with it."""
    return [token for token, (_, end) in token_spans(before + word, tokenizer) if end > len(before)]
