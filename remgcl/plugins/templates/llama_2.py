"""Llama 2's chat template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn


@frozen(kw_only=True)
class Llama2(Template):
    """Llama 2's ``[INST] ... [/INST] ...</s>``; the system text is in the first turn.

    Source: LLaVA, `llava/conversation.py` `conv_llava_llama_2`.

    Attributes:
        system: The system text; none if it is empty.
    """

    system: str = (
        "You are a helpful language and vision assistant. "
        "You are able to understand the visual content that the user provides, "
        "and assist the user with a variety of tasks using natural language."
    )

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the turns; each except the first starts a new sequence."""
        begin, end = tokenizer.bos_token or "", tokenizer.eos_token or ""
        system = f"<<SYS>>\n{self.system}\n<</SYS>>\n\n" if self.system else ""
        pieces: list[Piece] = []
        for turn in turns:
            if turn.role == "user":
                pieces += [Piece(f"{begin}[INST] {system}"), *turn.pieces, Piece(" [/INST]")]
                system = ""
            else:
                pieces.append(Piece(f" {turn.text}{end}", learned=True))
        return tuple(pieces)
