"""LLaVA's pretraining template: the image and its caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn


@frozen(kw_only=True)
class Plain(Template):
    """The image, then the answers, one a line; the user's texts are left out.

    Source: LLaVA, `llava/train/train.py` `preprocess_plain`.
    """

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the image and the answers."""
        del tokenizer
        pieces: list[Piece] = []
        for turn in turns:
            if turn.image:
                pieces.append(Piece(image=True))
            if turn.role == "assistant":
                pieces.append(Piece(f"{turn.text}\n", learned=True))
        return tuple(pieces)
