"""Vicuna's template, version 1.1, as LLaVA-1.5 finetunes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn


@frozen(kw_only=True)
class V1(Template):
    """Vicuna's ``USER: ... ASSISTANT: ...</s>``, after a system text.

    Source: LLaVA, `llava/conversation.py` `conv_vicuna_v1`.

    Attributes:
        system: The system text; none if it is empty.
    """

    system: str = (
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions."
    )

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the system text and the turns."""
        pieces = [Piece(f"{self.system} ")] if self.system else []
        for turn in turns:
            if turn.role == "user":
                pieces += [Piece("USER: "), *turn.pieces, Piece(" ASSISTANT:")]
            else:
                pieces.append(Piece(f" {turn.text}{tokenizer.eos_token or ''}", learned=True))
        return tuple(pieces)
