"""Judges that let a chat model answer the question: with the image, or without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from attrs.validators import and_, ge, gt, le

from remgcl import Ask, Candidate, ChatRequest, Evidence, Judge, Verdict, quoted, showing
from remgcl.plugins.judges.agreement import agrees

SHORT = "Answer in as few words as you can: a name, a number or a short phrase, and nothing else."

UNSEEN = "You cannot see the image that the question is about. Guess what is most likely. "


@frozen(kw_only=True)
class Blind(Judge):
    """Refuse questions that a chat model answers without the image and its text (as MMStar and RAP test).

    Attributes:
        votes: How often it is asked.
        most: Share of right guesses from which the question is refused.
        max_tokens: Longest reply in tokens.
    """

    votes: int = field(default=3, validator=ge(1))
    most: float = field(default=0.5, validator=and_(gt(0.0), le(1.0)))
    max_tokens: int = field(default=64, validator=ge(1))

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Ask the question alone."""
        del evidence
        message = {"role": "user", "content": f"{UNSEEN}{SHORT}\n\n{candidate.question}"}
        request = _request((message,), self.max_tokens, self.votes)
        replies = [(await ask(request, draw)).text for draw in range(self.votes)]
        right = sum(agrees(reply, candidate) for reply in replies)
        return Verdict(
            passed=right < self.most * self.votes,
            why=f"answered without the image: {right} of {self.votes}, such as {replies[0][:60]!r}",
            score=1 - right / self.votes,
        )

    @property
    def calls(self) -> int:
        """One for each vote."""
        return self.votes


@frozen(kw_only=True)
class Agrees(Judge):
    """Refuse answers that a chat model does not reach again, given the text of the image, and the image if it sees.

    Attributes:
        votes: How often it is asked.
        least: Share of votes for the answer that it needs; more than a half of three are two.
        max_tokens: Longest reply in tokens.
    """

    votes: int = field(default=3, validator=ge(1))
    least: float = field(default=0.5, validator=and_(gt(0.0), le(1.0)))
    max_tokens: int = field(default=64, validator=ge(1))

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Ask the question with all that is known."""
        prompt = f"{quoted(evidence)}\n\n{SHORT}\n\n{candidate.question}"
        request = _request(({"role": "user", "content": showing(prompt)},), self.max_tokens, self.votes)
        replies = [(await ask(request, draw)).text for draw in range(self.votes)]
        same = sum(agrees(reply, candidate) for reply in replies)
        return Verdict(
            passed=same >= self.least * self.votes,
            why=f"reached again: {same} of {self.votes}; the first said {replies[0][:60]!r}",
            score=same / self.votes,
        )

    @property
    def calls(self) -> int:
        """One for each vote."""
        return self.votes


def _request(messages: tuple[Mapping[str, Any], ...], max_tokens: int, votes: int) -> ChatRequest:
    """Ask greedily once, or by sampling for several votes."""
    return ChatRequest(messages=messages, max_new_tokens=max_tokens, temperature=0.7 if votes > 1 else 0.0)
