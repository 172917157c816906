"""The contract of judges: whether a question with its answer may stay."""

from __future__ import annotations

from abc import abstractmethod
from inspect import isawaitable
from typing import ClassVar

from attrs import frozen

from remgcl.core.parts.asking import Ask
from remgcl.core.parts.evidence import Candidate, Evidence, Verdict, awaited
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import number, returns, that, whole

EXPECTED = "a Verdict that passes, or says why it does not, with scores from 0 to 1 if any"


def is_verdict(value: object) -> bool:
    """Return whether a value is a verdict that can be reported.

    Args:
        value: Any value.
    """
    if not isinstance(value, Verdict) or not isinstance(value.passed, bool) or not isinstance(value.why, str):
        return False
    scores = [score for score in (value.score, value.complexity) if score is not None]
    return bool(value.passed or value.why) and all(number(score) and 0 <= score <= 1 for score in scores)


@frozen(kw_only=True)
class Judge(Part):
    """Say whether a candidate may stay, and why not.

    Judges are asked in the order of their calls, the cheapest first; the first refusal ends it. Verdicts are computed
    anew in every run, from replies that are kept: a changed threshold pays for nothing.

    Attributes:
        model: The chat model that it asks, by its key in the file's table `models`; the first there by default.
    """

    table: ClassVar[str] = "judges."
    command: ClassVar[str] = "remgcl elicit FILE.toml, whose table [judges.{name}] names it"

    model: str = ""

    @abstractmethod
    @returns(
        f"an awaitable of {EXPECTED}: write async def",
        that(isawaitable),
        held=lambda made, who: awaited(made, who, EXPECTED, is_verdict),
    )
    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Judge a candidate; the same way for the same evidence and replies.

        Args:
            evidence: What is known of the image.
            candidate: The question and its answer.
            ask: Asks the chat model.

        Raises:
            ReplyError: The reply holds no verdict; the judge is called once more, with another reply.
        """

    @property
    @returns("a whole number of calls", that(whole()))
    def calls(self) -> int:
        """Most calls of the chat model for a candidate: the cheapest judges come first."""
        return 0
