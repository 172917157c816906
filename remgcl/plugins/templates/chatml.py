"""The template of ChatML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn


@frozen(kw_only=True)
class ChatML(Template):
    """ChatML's ``<|im_start|>user ... <|im_end|>``, one block for each turn.

    Attributes:
        system: The system text; none if it is empty.
    """

    system: str = "You are a helpful assistant."

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the system text and the turns."""
        del tokenizer
        pieces = [Piece(f"<|im_start|>system\n{self.system}<|im_end|>\n")] if self.system else []
        for turn in turns:
            if turn.role == "user":
                pieces += [Piece("<|im_start|>user\n"), *turn.pieces, Piece("<|im_end|>\n<|im_start|>assistant\n")]
            else:
                pieces += [Piece(f"{turn.text}<|im_end|>", learned=True), Piece("\n")]
        return tuple(pieces)
