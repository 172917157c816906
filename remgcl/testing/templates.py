"""What every template promises: every utterance once, the assistant's learned, and a prompt that training saw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pytest

from remgcl.core.parts import Template
from remgcl.core.samples import Piece, Turn
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.tokenizer import bytewise

ONE = (Turn("user", "What is it?", image=True), Turn("assistant", "A sign."))
TALKS: dict[str, tuple[Turn, ...]] = {
    "one question": ONE,
    "two questions": (*ONE, Turn("user", "Its colour?"), Turn("assistant", "Red as a brick.")),
    "an image that comes late": (
        Turn("user", "Hello."),
        Turn("assistant", "Hi there!"),
        Turn("user", "Read it.", image=True),
        Turn("assistant", "4217"),
    ),
    "no image": (Turn("user", "Who are you?"), Turn("assistant", "Nobody.")),
}
"""Conversations whose utterances differ."""

IMAGE = "\N{OBJECT REPLACEMENT CHARACTER}"


class Checks(PartChecks):
    """What every template promises."""

    @pytest.fixture
    def tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """The tokenizer to render with; a subclass may give another."""
        return bytewise()

    def test_the_image_stands_where_it_is_shown_and_nowhere_else(self, part: Template, tokenizer: Any) -> None:  # noqa: ANN401
        """Each turn that shows an image has an image piece without text, which is not supervised."""
        for talk, turns in TALKS.items():
            shown = [piece for piece in part.render(turns, tokenizer) if piece.image]
            if len(shown) != sum(turn.image for turn in turns):
                due = sum(turn.image for turn in turns)
                raise broken(part, f"{talk}: renders {len(shown)} images; {due} are shown; use the pieces of the turns")
            if any(piece.text or piece.learned for piece in shown):
                raise broken(part, f"{talk}: the image has a text or is learned; make its piece Piece(image=True)")

    def test_no_utterance_is_repeated(self, part: Template, tokenizer: Any) -> None:  # noqa: ANN401 - as in the contract
        """No utterance is written twice, and each one of the assistant is written."""
        for talk, turns in TALKS.items():
            text = _text(part.render(turns, tokenizer))
            for turn in turns:
                times = text.count(turn.text)
                if times > 1 or (times == 0 and turn.role == "assistant"):
                    raise broken(part, f"{talk}: writes {turn.text!r} {times} times; write each answer once")

    def test_what_is_learned_are_the_answers(self, part: Template, tokenizer: Any) -> None:  # noqa: ANN401 - as in the contract
        """The assistant's turns are supervised, in order, and none of the user's."""
        for talk, turns in TALKS.items():
            pieces = part.render(turns, tokenizer)
            learned = [_text(group) for taught, group in groupby(pieces, key=lambda piece: piece.learned) if taught]
            answers = [turn.text for turn in turns if turn.role == "assistant"]
            asked = [turn.text for turn in turns if turn.role == "user"]
            joined = "\n".join(learned)
            places = [joined.find(answer) for answer in answers]
            if -1 in places or places != sorted(places) or any(question in joined for question in asked):
                raise broken(part, f"{talk}: learns {learned}; learn the answers, in order, and no question")

    def test_every_piece_that_is_learned_has_a_text(self, part: Template, tokenizer: Any) -> None:  # noqa: ANN401
        """A supervised piece is not empty."""
        for talk, turns in TALKS.items():
            if any(piece.learned and not piece.text for piece in part.render(turns, tokenizer)):
                raise broken(part, f"{talk}: a learned piece has no text; leave it out")

    def test_the_prompt_is_where_training_began_to_learn(self, part: Template, tokenizer: Any) -> None:  # noqa: ANN401
        """A conversation without its last answer ends exactly where that answer begins in training."""
        for talk, turns in TALKS.items():
            prompt, trained = _text(part.render(turns[:-1], tokenizer)), part.render(turns, tokenizer)
            last = max(place for place, piece in enumerate(trained) if piece.learned and turns[-1].text in piece.text)
            before = _text(trained[:last])
            if prompt != before:
                raise broken(
                    part,
                    f"{talk}: the prompt is {prompt!r}; training writes {before!r} before the answer; let both agree",
                )


def _text(pieces: Sequence[Piece] | Any) -> str:  # noqa: ANN401 - or a group of them
    """Join pieces; a sign of its own stands for the image."""
    return "".join(IMAGE if piece.image else piece.text for piece in pieces)
