"""Tokens of their own before and after the image, as LLaVA may have them.

(LLaVA, `mm_use_im_start_end`: `llava/model/llava_arch.py`
`initialize_vision_tokenizer`, with the texts of `llava/constants.py`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from remgcl.core.samples import Piece

if TYPE_CHECKING:
    from torch import nn

START, END = "<im_start>", "<im_end>"


def teach(tokenizer: Any) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Let a tokenizer know the two tokens.

    Args:
        tokenizer: The backbone's tokenizer; it is changed, and given back.
    """
    tokenizer.add_tokens([START, END], special_tokens=True)
    return tokenizer


def knows(tokenizer: Any) -> bool:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Return whether a tokenizer knows both tokens.

    Args:
        tokenizer: The backbone's tokenizer.
    """
    return {START, END} <= {*tokenizer.get_added_vocab()}


def make_room(backbone: Any, tokenizer: Any) -> nn.Module:  # noqa: ANN401 - transformers' models are untyped
    """Add a row for both tokens to the input and output embeddings: the mean of all others, as LLaVA does.

    Args:
        backbone: The language model; it is changed, and given back.
        tokenizer: A tokenizer that knows the tokens.
    """
    import torch

    rows = tokenizer.convert_tokens_to_ids([START, END])
    there = backbone.get_input_embeddings().num_embeddings
    if max(rows) >= there:
        backbone.resize_token_embeddings(max(rows) + 1, mean_resizing=False)
    with torch.no_grad():
        for table in (backbone.get_input_embeddings().weight, backbone.get_output_embeddings().weight):
            others = torch.ones(len(table), dtype=torch.bool)
            others[rows] = False
            table[rows] = table[others].mean(dim=0)
    return backbone  # type: ignore[no-any-return]


def mark(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Put the tokens around the image.

    Args:
        pieces: A rendered conversation.
    """
    for piece in pieces:
        yield from (Piece(START), piece, Piece(END)) if piece.image else (piece,)
