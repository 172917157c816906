"""The contract of templates: conversations to text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from attrs import frozen

from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import instance, is_a, returns, shown
from remgcl.core.samples import Piece, Turn

_IS_PIECE = instance(Piece, {"text": is_a(str), "learned": is_a(bool), "image": is_a(bool)})


def _flaw(pieces: object, turns: Sequence[Turn], *_: object, **__: object) -> str | None:
    if not isinstance(pieces, tuple | list):
        return shown(pieces)
    flaw = next((flaw for flaw in map(_IS_PIECE, pieces) if flaw is not None), None)
    if flaw is not None:
        return f"among others {flaw}"
    due, there = (sum(each.image for each in of) for of in (turns, pieces))
    if there != due:
        return f"pieces with {there} images for turns with {due}"
    answered = any(turn.role == "assistant" and turn.text for turn in turns)
    return "pieces of which none is supervised" if answered and not any(piece.learned for piece in pieces) else None


@frozen(kw_only=True)
class Template(Part):
    """Write a conversation as the language model reads it.

    Attributes:
        tried: Whether `remgcl check` tries it on a conversation, as those of
            third parties always are: what it writes depends on the tokenizer.
    """

    tried: ClassVar[bool] = False

    table: ClassVar[str] = "stages.NAME.template"

    @abstractmethod
    @returns(
        "a tuple of Piece, with an image wherever a turn shows one, and a supervised piece for every answer", _flaw
    )
    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Render a conversation, no utterance twice; the assistant's turns are supervised.

        The tokenizer's beginning-of-sequence token is added later, unless the
        first piece starts with it.

        Args:
            turns: At least one turn. If the last is the user's, the text ends
                where the assistant's answer begins.
            tokenizer: The backbone's tokenizer, for its special tokens.
        """
