"""What every judge promises: a verdict on any candidate, the same each time, within what it says."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from remgcl.core.errors import ReplyError
from remgcl.core.parts import Candidate, Evidence, Judge, Verdict
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.evidence import REPLIES, Asked, candidates, evidences


class Checks(PartChecks):
    """What every judge promises."""

    def test_it_judges_any_candidate_or_says_why_a_reply_cannot_be_used(self, part: Judge) -> None:
        """On any candidate, image and reply it passes a verdict with a reason, or raises `ReplyError`."""
        for evidence in evidences():
            for candidate in candidates():
                for text in REPLIES:
                    try:
                        _judge(part, evidence, candidate, Asked(text))
                    except ReplyError:
                        continue
                    except Exception as error:
                        what = f"the answer {candidate.answer[:40]!r} and the reply {text[:40]!r}"
                        raise broken(part, f"raises {error!r} on {what}") from error

    def test_it_judges_the_same_each_time(self, part: Judge) -> None:
        """A verdict depends on settings, evidence, candidate and replies alone: it is computed anew in every run."""
        for evidence in evidences():
            for candidate in candidates():
                for text in REPLIES:
                    first = _verdict(part, evidence, candidate, Asked(text))
                    if first != _verdict(part, evidence, candidate, Asked(text)):
                        raise broken(part, "judges otherwise the second time; leave chance and state out of it")

    def test_it_asks_no_more_than_it_declares(self, part: Judge) -> None:
        """It asks at most `calls` times for a candidate: the cheapest judges come first."""
        for evidence in evidences():
            for candidate in candidates():
                for text in REPLIES:
                    ask = Asked(text)
                    _verdict(part, evidence, candidate, ask)
                    if ask.count > part.calls:
                        raise broken(part, f"asks {ask.count} times, where calls is {part.calls}; declare it")


def _judge(part: Judge, evidence: Evidence, candidate: Candidate, ask: Asked) -> Verdict:
    async def judge() -> Verdict:
        return await part(evidence, candidate, ask)

    return asyncio.run(judge())


def _verdict(part: Judge, evidence: Evidence, candidate: Candidate, ask: Asked) -> Verdict | None:
    """Judge; nothing where it raises: another check is about that."""
    with suppress(Exception):
        return _judge(part, evidence, candidate, ask)
    return None
