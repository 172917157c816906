"""What every generator promises: candidates of any evidence, the same each time, within what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from remgcl.core.errors import ReplyError
from remgcl.core.parts import Candidate, Evidence, Generator
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.evidence import REPLIES, Asked, evidences


class Checks(PartChecks):
    """What every generator promises."""

    def test_it_makes_candidates_or_says_why_a_reply_cannot_be_used(self, part: Generator) -> None:
        """Of any image, with or without text, and any reply it makes candidates, or raises `ReplyError`."""
        for evidence in evidences():
            for text in REPLIES:
                try:
                    _make(part, evidence, Asked(text))
                except ReplyError:
                    continue
                except Exception as error:
                    what = f"image {evidence.name!r} and the reply {text[:40]!r}"
                    raise broken(part, f"raises {error!r} of {what}; raise remgcl.ReplyError") from error

    def test_it_makes_the_same_of_the_same(self, part: Generator) -> None:
        """The same evidence and replies give the same candidates, and the evidence stays as it is."""
        for evidence in evidences():
            for text in REPLIES:
                before = repr(evidence.regions)
                if repr(_made(part, evidence, Asked(text))) != repr(_made(part, evidence, Asked(text))):
                    raise broken(part, "makes other candidates the second time; draw from evidence.digest and settings")
                if repr(evidence.regions) != before:
                    raise broken(part, "changes the evidence; work on a copy")

    def test_it_keeps_to_what_it_declares(self, part: Generator) -> None:
        """It asks at most `calls` times for an image and makes at most `most` candidates: estimates rest on both."""
        for evidence in evidences():
            for text in REPLIES:
                ask = Asked(text)
                made = _made(part, evidence, ask)
                if ask.count > part.calls:
                    raise broken(part, f"asks {ask.count} times for an image, where calls is {part.calls}; declare it")
                if len(made) > part.most:
                    raise broken(
                        part, f"makes {len(made)} candidates of an image, where most is {part.most}; declare it"
                    )

    def test_its_candidates_rest_on_regions_that_are_there(self, part: Generator) -> None:
        """The regions of a candidate are numbers of the evidence's regions."""
        for evidence in evidences():
            for text in REPLIES:
                for candidate in _made(part, evidence, Asked(text)):
                    strange = [place for place in candidate.regions if not 0 <= place < len(evidence.regions)]
                    if strange:
                        raise broken(
                            part,
                            f"names region {strange[0]} of an image with {len(evidence.regions)}; number them from 0",
                        )


def _make(part: Generator, evidence: Evidence, ask: Asked) -> Sequence[Candidate]:
    async def make() -> Sequence[Candidate]:
        return await part(evidence, ask)

    return asyncio.run(make())


def _made(part: Generator, evidence: Evidence, ask: Asked) -> Sequence[Candidate]:
    """Make candidates; none where it raises: another check is about that."""
    with suppress(Exception):
        return _make(part, evidence, ask)
    return ()
