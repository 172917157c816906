"""A rendered conversation as token ids and labels.

Labels come from the character spans of the learned pieces and the tokenizer's
own offsets, so they cannot disagree with the ids. (The published code re-counts
the tokens of each turn and drops a sample when the count is off:
`llava/train/train.py` `preprocess_v1`.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import frozen

from remgcl.core.errors import WeightsError
from remgcl.core.samples import Piece

IMAGE = -200
"""Stands for the image among token ids (LLaVA, `llava/constants.py`)."""

IGNORED = -100
"""Label of a token that is not learned (the default of torch's cross entropy)."""

Ids: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@frozen(eq=False, kw_only=True)
class Tokens:
    """A rendered conversation as numbers; the image is one id, `IMAGE`.

    Attributes:
        ids: Token ids `[T]`.
        labels: Ids where the token is learned, `IGNORED` elsewhere `[T]`.
        cut: How many tokens were cut off the end.
    """

    ids: Ids
    labels: Ids
    cut: int = 0

    def fit(self, length: int, image_tokens: int) -> Tokens:
        """Cut the end of the text so that image and text fit; the image stays whole.

        Args:
            length: Longest sequence in tokens, image included.
            image_tokens: Tokens the image takes.
        """
        image = np.flatnonzero(self.ids == IMAGE)
        room = length - len(image) * image_tokens
        text = np.flatnonzero(self.ids != IMAGE)
        if len(text) <= room:
            return self
        return self._only(np.concatenate([text[:room], image]))

    def keep_end(self, length: int, image_tokens: int) -> Tokens:
        """Cut the beginning of the text so that image and text fit; its first token and the image stay.

        Args:
            length: Longest sequence in tokens, image included.
            image_tokens: Tokens the image takes.
        """
        image = np.flatnonzero(self.ids == IMAGE)
        text = np.flatnonzero(self.ids != IMAGE)
        room = max(length - len(image) * image_tokens, 1)
        if len(text) <= room:
            return self
        return self._only(np.concatenate([text[: room > 1], image, text[len(text) - max(room - 1, 1) :]]))

    def _only(self, places: Ids) -> Tokens:
        """Keep the tokens at some places; the others are cut."""
        kept = np.sort(places)
        return Tokens(ids=self.ids[kept], labels=self.labels[kept], cut=len(self.ids) - len(kept))


def tokenize(pieces: Iterable[Piece], tokenizer: Any) -> Tokens:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Turn a rendered conversation into ids and labels.

    The text before, between and after images is tokenized a stretch at a time.
    A token is learned if it covers a character of a learned piece.

    Args:
        pieces: What a template rendered.
        tokenizer: The backbone's tokenizer.

    Raises:
        WeightsError: The tokenizer cannot tell its tokens' characters.
    """
    ids: list[int] = []
    labels: list[int] = []
    for stretch in _stretches(pieces):
        if stretch is None:
            ids.append(IMAGE)
            labels.append(IGNORED)
            continue
        text = "".join(piece.text for piece in stretch)
        learned = np.repeat([piece.learned for piece in stretch], [len(piece.text) for piece in stretch])
        for token, (start, end) in _offsets(text, tokenizer):
            ids.append(token)
            labels.append(token if learned[start:end].any() else IGNORED)
    first = _first_token(tokenizer)
    if first is not None and ids[:1] != [first]:
        ids.insert(0, first)
        labels.insert(0, IGNORED)
    return Tokens(ids=np.array(ids, dtype=np.int64), labels=np.array(labels, dtype=np.int64))


def _stretches(pieces: Iterable[Piece]) -> list[list[Piece] | None]:
    """Join the pieces between images; None stands for an image."""
    stretches: list[list[Piece] | None] = []
    for piece in pieces:
        if piece.image:
            stretches.append(None)
        elif stretches and stretches[-1] is not None:
            stretches[-1].append(piece)
        else:
            stretches.append([piece])
    return stretches


def _offsets(text: str, tokenizer: Any) -> Iterable[tuple[int, tuple[int, int]]]:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Give the tokens of a text, each with the characters it covers."""
    if not tokenizer.is_fast:
        name = type(tokenizer).__name__
        raise WeightsError(f"tokenizer {name}: gives no character offsets; a fast tokenizer is needed")
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)


def _first_token(tokenizer: Any) -> int | None:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Tell the token that the tokenizer itself puts first, if any."""
    first: list[int] = tokenizer("").input_ids[:1]
    return first[0] if first and first[0] == tokenizer.bos_token_id else None
