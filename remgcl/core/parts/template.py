"""The contract of templates: conversations to text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl.core.parts.part import Part
from remgcl.core.samples import Piece, Turn


@frozen(kw_only=True)
class Template(Part):
    """Write a conversation as the language model reads it."""

    @abstractmethod
    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Render a conversation, no utterance twice; what is learned are the assistant's turns.

        The tokenizer's beginning-of-sequence token is added later, unless the
        first piece starts with it.

        Args:
            turns: At least one turn. If the last is the user's, the text ends
                where the assistant's answer begins.
            tokenizer: The backbone's tokenizer, for its special tokens.
        """
