"""ChatML as LLaVA writes it: no line break after a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn


@frozen(kw_only=True)
class Mpt(Template):
    """ChatML's blocks without line breaks between them.

    Source: LLaVA, `llava/conversation.py` `conv_mpt`; its `conv_chatml_direct` differs in the system text only.

    Attributes:
        system: The system text; none if it is empty.
    """

    system: str = (
        "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."
    )

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the system text and the turns."""
        del tokenizer
        pieces = [Piece(f"<|im_start|>system\n{self.system}<|im_end|>")] if self.system else []
        for turn in turns:
            if turn.role == "user":
                pieces += [Piece("<|im_start|>user\n"), *turn.pieces, Piece("<|im_end|><|im_start|>assistant\n")]
            else:
                pieces.append(Piece(f"{turn.text}<|im_end|>", learned=True))
        return tuple(pieces)
