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

TRIMS, KEEPS = b'"trim_offsets":true', b'"trim_offsets":false'
"""How a post-processor's state says that offsets leave white space out, and that they hold it."""

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
        for token, (start, end) in token_spans(text, tokenizer):
            ids.append(token)
            labels.append(token if learned[start:end].any() else IGNORED)
    first = _beginning(tokenizer)
    if ids[: len(first)] != first:
        ids[:0] = first
        labels[:0] = [IGNORED] * len(first)
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


def token_spans(text: str, tokenizer: Any) -> list[tuple[int, tuple[int, int]]]:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Encode a text without special tokens: each token id, with the characters it covers.

    Post-processors that trim white space off the offsets (those of GPT-2's
    kin) stop doing so; ids do not depend on it.

    Args:
        text: The text.
        tokenizer: A fast tokenizer of transformers.

    Raises:
        WeightsError: The tokenizer cannot tell its tokens' characters.
    """
    if not tokenizer.is_fast:
        name = type(tokenizer).__name__
        raise WeightsError(f"tokenizer {name}: gives no character offsets; a fast tokenizer is needed")
    _keep_white_space(tokenizer.backend_tokenizer)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return list(zip(encoding["input_ids"], encoding["offset_mapping"], strict=True))


def _keep_white_space(backend: Any) -> None:  # noqa: ANN401 - the tokenizers of Rust are untyped
    """Let offsets hold white space, wherever in the post-processor they are trimmed."""
    processor = backend.post_processor
    state = processor.__getstate__() if processor is not None else b""
    if TRIMS in state:
        processor.__setstate__(state.replace(TRIMS, KEEPS))
        backend.post_processor = processor


def _beginning(tokenizer: Any) -> list[int]:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Return the special tokens that the tokenizer itself puts before a text; those behind it do not count."""
    whole: list[int] = tokenizer("a").input_ids
    plain: list[int] = tokenizer("a", add_special_tokens=False).input_ids
    places = range(len(whole) - len(plain) + 1)
    return whole[: next((at for at in places if whole[at : at + len(plain)] == plain), 0)]
