"""Judges that break one promise each."""

from itertools import count

from attrs import frozen

from remgcl import Ask, Candidate, ChatRequest, Evidence, Judge, Verdict
from remgcl.testing import conformance

FAILURES = {
    "Silent": {
        "it judges any candidate or says why a reply cannot be used": "must return a Verdict that passes, or says why"
    },
    "Moody": {"it judges the same each time": "judges otherwise the second time; leave chance and state out of it"},
    "Asks": {"it asks no more than it declares": "asks 1 times, where calls is 0; declare it"},
}
"""What each fails, and in which words."""

NUMBERS = count()


@frozen(kw_only=True)
class Good(Judge):
    """Let short answers pass."""

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Measure."""
        del evidence, ask
        return Verdict(passed=len(candidate.answer) < 30, why="the length")


@frozen(kw_only=True)
class Silent(Good):
    """Refuse an answer without a reason."""

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Refuse, once for each candidate."""
        del evidence, candidate, ask
        return Verdict(passed=False)


@frozen(kw_only=True)
class Moody(Good):
    """Change its mind."""

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Let every other one pass."""
        del evidence, candidate, ask
        return Verdict(passed=bool(next(NUMBERS) % 2), why="the mood")


@frozen(kw_only=True)
class Asks(Good):
    """Ask without saying so."""

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Ask for nothing."""
        await ask(ChatRequest(messages=({"role": "user", "content": "Hello"},), max_new_tokens=1))
        return await Good.__call__(self, evidence, candidate, ask)


TestGood = conformance(Good())
TestSilent = conformance(Silent())
TestMoody = conformance(Moody())
TestAsks = conformance(Asks())
