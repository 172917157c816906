"""The chat template that comes with a tokenizer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn, WeightsError


@frozen(kw_only=True)
class Chat(Template):
    """The tokenizer's own chat template, whatever it is.

    The template is rendered with a mark in place of each utterance, so that
    the places of the answers are known whatever it writes around them. The end
    of an answer is learned too: the special token that follows it, and the
    space that some write before that.
    """

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the turns as the tokenizer's template does.

        Raises:
            WeightsError: There is no template, or it refuses the conversation or
                leaves out a turn.
        """
        from jinja2 import TemplateError

        if not tokenizer.chat_template:
            raise WeightsError("template 'chat': the tokenizer has no chat template; name another template")
        messages = [{"role": turn.role, "content": _mark(place)} for place, turn in enumerate(turns)]
        try:
            rendered: str = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=turns[-1].role == "user"
            )
        except TemplateError as error:
            raise WeightsError(f"template 'chat': the tokenizer's template refuses the conversation; {error}") from None
        ending = _ending(tokenizer)
        pieces: list[Piece] = []
        for place, turn in enumerate(turns):
            before, found, rendered = rendered.partition(_mark(place))
            if not found:
                raise WeightsError(f"template 'chat': the tokenizer's template leaves out turn {place + 1}")
            pieces.append(Piece(before))
            if turn.role == "user":
                pieces += turn.pieces
                continue
            end = ending.match(rendered)
            stop = end.end() if end else 0
            pieces.append(Piece(turn.text + rendered[:stop], learned=True))
            rendered = rendered[stop:]
        return (*pieces, Piece(rendered))


def _ending(tokenizer: Any) -> re.Pattern[str]:  # noqa: ANN401 - as in the contract
    """Recognise the end of an answer: a special token, named by the tokenizer or only added to it."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return re.compile(f" ?(?:{'|'.join(map(re.escape, [*tokenizer.all_special_tokens, *added]))})")


def _mark(place: int) -> str:
    """Name an utterance by a text that no template writes."""
    return f"\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}turn {place}\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
