"""Leave stop words out of what the contrastive losses look at, exactly and at once.

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

from remgcl import DataError, TextFilter

ENGLISH = Path(__file__).with_name("english.json")
"""REMGCL's list: punctuation, openers of sentences, and English stop words."""


@frozen(kw_only=True)
class StopWords(TextFilter):
    """Drop every token that a stop word covers.

    Attributes:
        words: A JSON file with a list of texts; a leading space marks the start
            of a word. REMGCL's English list without it.
    """

    words: str | None = None

    def build(self, tokenizer: Any) -> Matcher:  # noqa: ANN401 - as in the contract
        """Encode the list with a tokenizer.

        Raises:
            DataError: The list cannot be read.
        """
        return Matcher([sequence for word in self._read() if (sequence := _inside_a_text(word, tokenizer))])

    def _read(self) -> list[str]:
        path = Path(self.words) if self.words is not None else ENGLISH
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: stop words cannot be read; {error}") from None
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise DataError(f"{path}: must hold a JSON list of texts")
        return words


class Matcher:
    """Finds sequences of ids in a longer one, all at once, with a trie of arrays.

    A node of the trie is a beginning of a sequence; an edge is the number
    ``node * size + id``, and the node it leads to is its place in the sorted
    edges, plus 1.
    """

    def __init__(self, sequences: list[list[int]]) -> None:
        """Build the trie.

        Args:
            sequences: What to find; none empty.
        """
        self._size = 1 + max((max(sequence) for sequence in sequences), default=0)
        self._longest = max(map(len, sequences), default=0)
        beginnings = sorted(
            {tuple(sequence[:end]) for sequence in sequences for end in range(1, len(sequence) + 1)}, key=len
        )
        numbers = {beginning: number for number, beginning in enumerate([(), *beginnings])}
        edges = np.array([numbers[b[:-1]] * self._size + b[-1] for b in beginnings], dtype=np.int64)
        order = np.argsort(edges)
        self._edges, self._nodes = edges[order], np.arange(1, len(beginnings) + 1)[order]
        ends = {tuple(sequence) for sequence in sequences}
        self._ends = np.array([False, *(beginning in ends for beginning in beginnings)])

    def __call__(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Tell the tokens that no sequence covers.

        Args:
            ids: Token ids `[T]`.

        Returns:
            True where a token is kept `[T]`.
        """
        kept = np.ones(len(ids), dtype=np.bool_)
        starts = np.arange(len(ids))
        nodes = np.zeros(len(ids), dtype=np.int64)
        for length in range(1, self._longest + 1):
            inside = starts + length <= len(ids)
            starts, nodes = starts[inside], nodes[inside]
            following = ids[starts + length - 1]
            wanted = np.where(following < self._size, nodes * self._size + following, -1)
            places = np.searchsorted(self._edges, wanted).clip(max=len(self._edges) - 1)
            found = self._edges[places] == wanted
            starts, nodes = starts[found], self._nodes[places[found]]
            covered = starts[self._ends[nodes]]
            kept[(covered[:, None] + np.arange(length)).reshape(-1)] = False
        return kept


def _inside_a_text(word: str, tokenizer: Any) -> list[int]:  # noqa: ANN401 - as in the contract
    """Encode a word as it stands inside a text, without what a tokenizer puts before a text."""
    before = "a" if word[0].isspace() else "\n"  # nothing that a tokenizer joins with the word
    encoding = tokenizer(before + word, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
    return [token for token, (start, _) in pairs if start >= len(before)]
