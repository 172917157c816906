"""The contract of generators: what is known of an image to questions with answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from inspect import isawaitable
from typing import ClassVar

from attrs import frozen

from remgcl.core.parts.asking import Ask
from remgcl.core.parts.evidence import Candidate, Evidence, awaited
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import returns, several, that, whole

EXPECTED = "a tuple or list of Candidates, each with a question and an answer"


def is_candidate(value: object) -> bool:
    """Return whether a value is a candidate with a question and an answer.

    Args:
        value: Any value.
    """
    return isinstance(value, Candidate) and all(
        isinstance(text, str) and text.strip() for text in (value.question, value.answer)
    )


@frozen(kw_only=True)
class Generator(Part):
    """Make questions with answers of what is known of an image.

    A generator owns no network, disk or clock: it sees evidence, and asks a chat model by `ask`, if at all.

    Attributes:
        model: The chat model that it asks, by its key in the file's table `models`; the first there by default.
    """

    table: ClassVar[str] = "generators."
    command: ClassVar[str] = "remgcl elicit FILE.toml, whose table [generators.{name}] names it"

    model: str = ""

    @abstractmethod
    @returns(
        f"an awaitable of {EXPECTED}: write async def",
        that(isawaitable),
        held=lambda made, who: awaited(made, who, EXPECTED, several(is_candidate)),
    )
    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Make candidates; the same ones for the same evidence and replies.

        Args:
            evidence: What is known of the image.
            ask: Asks the chat model.

        Raises:
            ReplyError: The reply holds no question with an answer; the error says why. The generator is called once
                more, with another reply.
        """

    @property
    @returns("a whole number of calls", that(whole()))
    def calls(self) -> int:
        """Most calls of the chat model for an image, for estimates."""
        return 0

    @property
    @returns("a whole number of candidates", that(whole(1)))
    def most(self) -> int:
        """Most candidates of an image, for estimates."""
        return 1
