"""The chat template that comes with a tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import Any, ClassVar

from attrs import field, frozen

from remgcl import Piece, Template, Turn, WeightsError

MARK = "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}image\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
"""Stands for the image while a template is rendered."""

END = "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}end\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
"""Stands behind each answer while its end is looked for."""

THOUGHT = "</think>"
"""Ends what templates take out of an answer, or write anew."""

TODAY, UNDATED = "strftime_now", "no date is set"
"""The function of transformers for today's date, and the message of a call without a date."""

FORMS = (*(f"%{flag}{letter}" for flag in ("", "-") for letter in "aAbBcdDeFGgHhIjklMmnPpRrSsTtUuVWwXxYyZz"), "%%")
"""The directives of `strftime`."""

Messages = Sequence[Mapping[str, str]]


def _is_date(_: object, __: object, given: str | None) -> None:
    if given is not None:
        date.fromisoformat(given)


@frozen(kw_only=True)
class Chat(Template):
    """The tokenizer's own chat template.

    The text is exactly the output of the template. An answer is supervised from the end of its
    prompt to the special token that ends it. If the template writes no such token, as GLM's, the
    tokenizer's own end-of-sequence token is appended to the last answer.

    Attributes:
        date: The day for templates that write today's date, as ``2024-07-26``; without it they are refused,
            as the text would change from day to day.
    """

    tried: ClassVar[bool] = True
    date: str | None = field(default=None, validator=_is_date)

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write the turns as the tokenizer's template does.

        Raises:
            WeightsError: There is no template, or it refuses the conversation,
                leaves out or changes a turn, writes a prompt that training does
                not begin with, or answers have no end.
        """
        messages = [{"role": turn.role, "content": f"{MARK}\n" * turn.image + turn.text} for turn in turns]
        whole = self._write(messages, tokenizer)
        _verify(turns, whole)
        answers = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
        starts = [self._start(messages, place, whole, tokenizer) for place in answers]
        ends = self._ends(turns, messages, whole, tokenizer)
        ending = _ending(tokenizer)
        closed = not answers or self._closes(turns[: answers[0] + 1], messages, ending, tokenizer)
        pieces: list[Piece] = []
        at = 0
        for place, start, limit in zip(answers, starts, [*starts, len(whole)][1:], strict=True):
            pieces += _shown(whole[at:start])
            at = _end(turns[place], place, whole[start : ends.get(place, start)], start)
            if closed and (found := _found(ending, whole, at, limit, certain=place in ends)):
                at = found.end()
            added = ""
            if not closed and place == len(turns) - 1:
                at, added = len(whole), _added(tokenizer)
            pieces += [Piece(text, learned=True) for text in [whole[start:at] + added] if text]
        return (*pieces, *_shown(whole[at:]))

    def _write(self, messages: Messages, tokenizer: Any) -> str:  # noqa: ANN401 - as in the contract
        """Render messages; behind the user's, the assistant's turn is opened."""
        from jinja2 import TemplateError

        if not tokenizer.chat_template:
            raise WeightsError("template 'chat': the tokenizer has no chat template; name another template")
        try:
            text: str = tokenizer.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=messages[-1]["role"] == "user",
                chat_template=self._dated(tokenizer.get_chat_template()),
            )
        except TemplateError as error:
            if str(error) == UNDATED:
                raise WeightsError(
                    "template 'chat': the tokenizer's template writes today's date, so that texts would change from "
                    "day to day; give one: date = '2024-07-26'"
                ) from None
            raise WeightsError(f"template 'chat': the tokenizer's template refuses the conversation; {error}") from None
        return text

    def _dated(self, template: str) -> str:
        """Make a template use the date that is set instead of today's, in any form of call."""
        if TODAY not in template:
            return template
        written = f"{{{{ raise_exception({UNDATED!r}) }}}}"
        if self.date is not None:
            day = date.fromisoformat(self.date)
            known = json.dumps({form: day.strftime(form) for form in FORMS})
            written = (
                f"{{% set ns = namespace(text=form) %}}{{% for asked, shown in {known}.items() %}}"
                "{% set ns.text = ns.text | replace(asked, shown) %}{% endfor %}{{ ns.text }}"
            )
        return f"{{% macro {TODAY}(form) %}}{written}{{% endmacro %}}\n{template}"

    def _start(self, messages: Messages, place: int, whole: str, tokenizer: Any) -> int:  # noqa: ANN401 - as above
        """Find where the supervision of an answer starts: the end of its prompt."""
        prompt = self._write(messages[:place], tokenizer) if place else ""
        if not whole.startswith(prompt):
            raise WeightsError(
                f"template 'chat': the tokenizer's template writes another prompt for turn {place + 1} than training "
                "begins with; name another template"
            )
        return len(prompt)

    def _ends(self, turns: Sequence[Turn], messages: Messages, whole: str, tokenizer: Any) -> dict[int, int]:  # noqa: ANN401 - as above
        """Find where each answer ends, by a mark behind its text; one without a text may have no such place."""
        answers = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
        for marked in (answers, [place for place in answers if _spoken(turns[place])]):
            if not marked:
                continue
            shown = [
                {**message, "content": _marked(message["content"])} if place in marked else message
                for place, message in enumerate(messages)
            ]
            parts = self._write(shown, tokenizer).split(END)
            if len(parts) == len(marked) + 1 and "".join(parts) == whole:
                return dict(zip(marked, accumulate(map(len, parts)), strict=False))
        if marked:
            raise _changed(marked[0])
        return {}

    def _closes(self, turns: Sequence[Turn], messages: Messages, ending: re.Pattern[str], tokenizer: Any) -> bool:  # noqa: ANN401 - as above
        """Return whether a special token ends an answer that nothing follows."""
        text, place = self._write(messages[: len(turns)], tokenizer), len(turns) - 1
        known = self._ends(turns, messages[: len(turns)], text, tokenizer).get(place)
        at = self._start(messages, place, text, tokenizer) if known is None else known
        return _found(ending, text, at, len(text), certain=known is not None) is not None


def _verify(turns: Sequence[Turn], whole: str) -> None:
    """Verify that the template wrote what the user says, in order, and each image once."""
    at = 0
    for place, turn in enumerate(turns):
        if turn.role == "assistant":
            continue
        found = whole.find(MARK if turn.image else "", at)
        found = whole.find(turn.text.strip(), found) if found >= 0 else found
        if found < 0 or whole.count(MARK) != sum(each.image for each in turns):
            raise _changed(place)
        at = found + len(turn.text.strip())


def _marked(text: str) -> str:
    """Put a mark behind a text, before its last white space, which templates may trim."""
    said = text.rstrip()
    return said + END + text[len(said) :]


def _spoken(turn: Turn) -> str:
    """Return what is said aloud: what follows a thought."""
    return turn.text.rpartition(THOUGHT)[2].strip()


def _end(turn: Turn, place: int, written: str, start: int) -> int:
    """Verify that an answer is written as it is, but for its thought, and give its end."""
    if not written.endswith((turn.text.strip(), _spoken(turn))):
        raise _changed(place)
    return start + len(written)


def _found(ending: re.Pattern[str], text: str, at: int, limit: int, *, certain: bool) -> re.Match[str] | None:
    """Find the special token right behind an answer, or the first where it is not certain where the answer ends."""
    return ending.match(text, at, limit) if certain else ending.search(text, at, limit)


def _changed(place: int) -> WeightsError:
    return WeightsError(f"template 'chat': the tokenizer's template leaves out turn {place + 1}, or changes it")


def _ending(tokenizer: Any) -> re.Pattern[str]:  # noqa: ANN401 - as in the contract
    """Recognise the end of an answer: a special token, named by the tokenizer or only added to it."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, [*tokenizer.all_special_tokens, *added]))})")


def _added(tokenizer: Any) -> str:  # noqa: ANN401 - as in the contract
    """Return the end of an answer if the template writes none."""
    if not tokenizer.eos_token:
        raise WeightsError(
            "template 'chat': the tokenizer's template ends no answer, and the tokenizer has no end-of-sequence token"
        )
    return str(tokenizer.eos_token)


def _shown(text: str) -> Iterator[Piece]:
    """Put the image where its mark stands."""
    first, *others = text.split(MARK)
    if first:
        yield Piece(first)
    for other in others:
        yield Piece(image=True)
        if other:
            yield Piece(other)
