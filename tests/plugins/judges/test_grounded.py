"""Grounded: an answer uses the image's text, and nothing that is nowhere."""

import asyncio

import pytest

from remgcl import Candidate, Evidence, Region, Verdict
from remgcl.plugins.generators import Compose
from remgcl.plugins.judges import Grounded
from remgcl.testing.evidence import Asked

TEXTS = ("Riverside Cinema", "Adults 9.50", "Tuesdays", "1,250 seats")


def judged(question: str, answer: str, **settings: bool) -> Verdict:
    """Judge a pair about the cinema."""
    quad = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    evidence = Evidence(name="a", digest="00", size=(9, 9), regions=tuple(Region(text, quad) for text in TEXTS))

    async def judge() -> Verdict:
        return await Grounded(**settings)(evidence, Candidate(question=question, answer=answer), Asked(""))

    return asyncio.run(judge())


@pytest.mark.parametrize(
    "answer",
    [
        'It is the "Riverside Cinema".',
        "At the price of adults 9.50, two tickets take 2 x 9.50 = 19.00, so they cost 19.00 on Tuesdays.",
        "With 1,250 seats and 3 shows, 1,250 seats x 3 are sold on tuesdays.",
    ],
)
def test_what_rests_on_the_text_passes(answer: str) -> None:
    assert judged("What is it?", answer).passed


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("It is a house.", "no line of the image's text is in the answer and not in the question"),
        ("Riverside Cinema has 4000 visitors.", "a number that is nowhere: 4000"),
        ("Riverside Cinema is owned by Disney.", "a name that is nowhere: Disney"),
        ("Riverside Cinema takes 2 x 9.50 = 20.00.", "a wrong calculation: 2 x 9.50 = 20.00"),
    ],
)
def test_what_is_nowhere_is_refused(answer: str, why: str) -> None:
    verdict = judged("What is it?", answer)
    assert (verdict.passed, verdict.why) == (False, why)


def test_a_line_that_the_question_gives_away_does_not_count() -> None:
    assert not judged("Is it the Riverside Cinema?", "Yes, it is the Riverside Cinema.").passed


def test_each_look_can_be_left_out() -> None:
    assert judged("What is it?", "A house.", line=False).passed
    assert judged("What is it?", "Riverside Cinema of 4000.", numbers=False).passed
    assert judged("What is it?", "Riverside Cinema of Disney.", names=False).passed


def test_composed_pairs_with_steps_pass() -> None:
    texts = (("milk", 10, 10), ("30", 300, 10), ("tea", 10, 40), ("45", 300, 40))
    regions = tuple(
        Region(text, ((x, y), (x + 9.0 * len(text), y), (x + 9.0 * len(text), y + 12), (x, y + 12)))
        for text, x, y in texts
    )
    evidence = Evidence(name="a", digest="00", size=(400, 60), regions=regions)

    async def verdicts() -> list[Verdict]:
        made = await Compose(per_image=50)(evidence, Asked(""))
        return [await Grounded()(evidence, candidate, Asked("")) for candidate in made]

    told = asyncio.run(verdicts())
    assert len(told) > 8
    assert [verdict.why for verdict in told if not verdict.passed] == []
