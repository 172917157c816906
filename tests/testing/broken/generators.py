"""Generators that break one promise each."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from attrs import frozen

from remgcl import Ask, Candidate, ChatRequest, Evidence, Generator
from remgcl.testing import conformance

FAILURES = {
    "Brittle": {"it makes candidates or says why a reply cannot be used": "raises IndexError("},
    "Counts": {"it makes the same of the same": "makes other candidates the second time; draw from evidence.digest"},
    "Asks": {"it keeps to what it declares": "asks 1 times for an image, where calls is 0; declare it"},
    "Prolific": {"it keeps to what it declares": "makes 2 candidates of an image, where most is 1; declare it"},
    "Beyond": {
        "its candidates rest on regions that are there": "names region 5 of an image with 5; number them from 0"
    },
}
"""What each fails, and in which words."""

NUMBERS = count()


@frozen(kw_only=True)
class Good(Generator):
    """Ask for the first line."""

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Make one candidate, or none."""
        del ask
        texts = [region.text for region in evidence.regions]
        return [Candidate(question="What is written first?", answer=text, regions=(0,)) for text in texts[:1]]


@frozen(kw_only=True)
class Brittle(Good):
    """Take a line for granted."""

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Take the first."""
        if not evidence.regions:
            raise IndexError("no line")
        return await Good.__call__(self, evidence, ask)


@frozen(kw_only=True)
class Counts(Good):
    """Count candidates."""

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Write the count into the question."""
        del ask
        return [Candidate(question=f"Question {next(NUMBERS)} of {evidence.name}?", answer="None.")]


@frozen(kw_only=True)
class Asks(Good):
    """Ask without saying so."""

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Ask for nothing."""
        await ask(ChatRequest(messages=({"role": "user", "content": "Hello"},), max_new_tokens=1))
        return await Good.__call__(self, evidence, ask)


@frozen(kw_only=True)
class Prolific(Good):
    """Make more than it says."""

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Make two."""
        del evidence, ask
        return [Candidate(question=f"{word}?", answer="No.") for word in ("Who", "What")]


@frozen(kw_only=True)
class Beyond(Good):
    """Count regions from one."""

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Name the last."""
        del ask
        last: Any = len(evidence.regions)
        return [Candidate(question="What is last?", answer="That.", regions=(last,))] if last > 1 else []


TestGood = conformance(Good())
TestBrittle = conformance(Brittle())
TestCounts = conformance(Counts())
TestAsks = conformance(Asks())
TestProlific = conformance(Prolific())
TestBeyond = conformance(Beyond())
