"""The chat template that comes with a tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from attrs import field, frozen

from remgcl import Piece, Template, Turn, WeightsError

MARK = "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}image\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
"""Stands for the image while a template is rendered."""

THOUGHT = "</think>"
"""Ends what templates take out of an answer, or write anew."""

TODAY = re.compile(r"""strftime_now\(\s*(?P<quote>['"])(?P<form>.*?)(?P=quote)\s*\)""")
"""How a template asks for today's date."""

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
        ending = _ending(tokenizer)
        closed = not answers or self._closes(turns[: answers[0] + 1], messages, ending, tokenizer)
        pieces: list[Piece] = []
        at = 0
        for place, start, limit in zip(answers, starts, [*starts, len(whole)][1:], strict=True):
            pieces += _shown(whole[at:start])
            at = _end(turns[place], place, whole[:limit], start)
            found = ending.search(whole, at) if closed and not turns[place].text else ending.match(whole, at)
            at = found.end() if closed and found else at
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
            raise WeightsError(f"template 'chat': the tokenizer's template refuses the conversation; {error}") from None
        return text

    def _dated(self, template: str) -> str:
        """Write the date that is set wherever a template asks for today's."""
        if not TODAY.search(template):
            return template
        if self.date is None:
            raise WeightsError(
                "template 'chat': the tokenizer's template writes today's date, so that texts would change from day to "
                "day; give one: date = '2024-07-26'"
            )
        day = date.fromisoformat(self.date)
        return TODAY.sub(lambda asked: repr(day.strftime(asked["form"])), template)

    def _start(self, messages: Messages, place: int, whole: str, tokenizer: Any) -> int:  # noqa: ANN401 - as above
        """Find where an answer is learned from: the end of its prompt."""
        prompt = self._write(messages[:place], tokenizer) if place else ""
        if not whole.startswith(prompt):
            raise WeightsError(
                f"template 'chat': the tokenizer's template writes another prompt for turn {place + 1} than training "
                "begins with; name another template"
            )
        return len(prompt)

    def _closes(self, turns: Sequence[Turn], messages: Messages, ending: re.Pattern[str], tokenizer: Any) -> bool:  # noqa: ANN401 - as above
        """Tell whether a special token ends an answer that nothing follows."""
        text = self._write(messages[: len(turns)], tokenizer)
        place = len(turns) - 1
        at = _end(turns[-1], place, text, self._start(messages, place, text, tokenizer))
        return bool(ending.search(text, at) if not turns[-1].text else ending.match(text, at))


def _verify(turns: Sequence[Turn], whole: str) -> None:
    """Make sure that the template wrote what the user says, in order, and each image once."""
    at = 0
    for place, turn in enumerate(turns):
        if turn.role == "assistant":
            continue
        found = whole.find(MARK if turn.image else "", at)
        found = whole.find(turn.text.strip(), found) if found >= 0 else found
        if found < 0 or whole.count(MARK) != sum(each.image for each in turns):
            raise _changed(place)
        at = found + len(turn.text.strip())


def _end(turn: Turn, place: int, text: str, start: int) -> int:
    """Find where what the assistant says ends; templates may trim it, and write its thought anew."""
    said = turn.text.strip()
    for shown in (said, said.rpartition(THOUGHT)[2].strip()):
        found = text.find(shown, start)
        if found >= 0:
            return found + len(shown)
    raise _changed(place)


def _changed(place: int) -> WeightsError:
    return WeightsError(f"template 'chat': the tokenizer's template leaves out turn {place + 1}, or changes it")


def _ending(tokenizer: Any) -> re.Pattern[str]:  # noqa: ANN401 - as in the contract
    """Recognise the end of an answer: a special token, named by the tokenizer or only added to it."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, [*tokenizer.all_special_tokens, *added]))})")


def _added(tokenizer: Any) -> str:  # noqa: ANN401 - as in the contract
    """Give the end of an answer where the template writes none."""
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
