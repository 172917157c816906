"""How a template ends an answer: the text, and the token ids that stop generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.data.tokens import token_spans
from remgcl.core.samples import Turn

if TYPE_CHECKING:
    from remgcl.core.parts import Template


@frozen
class Ending:
    """The end of an answer.

    Attributes:
        text: What the template writes after it; may be empty.
        ids: Tokens that end it: the tokenizer's end token, and `text` where that is one token.
        whole: Whether `text` is one of `ids`; otherwise it must be looked for in the text.
    """

    text: str
    ids: tuple[int, ...]
    whole: bool


def ending_of(template: Template, tokenizer: Any) -> Ending:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Read off a rendered conversation how a template ends an answer.

    Args:
        template: The template.
        tokenizer: The backbone's tokenizer.
    """
    turns = (Turn("user", "q"), Turn("assistant", "a"))
    learned = [piece for piece in template.render(turns, tokenizer) if piece.learned]
    text = learned[-1].text.strip(" ").removeprefix("a").strip(" ")
    ids = [token for token, (at, _) in token_spans("a" + text, tokenizer) if at >= 1]
    whole = len(ids) == 1
    stop = {tokenizer.eos_token_id, *(ids if whole else ())}
    return Ending(text, tuple(sorted(stop - {None})), whole)
