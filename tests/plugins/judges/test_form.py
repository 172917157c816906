"""Form: what a pair must look like."""

import asyncio

import pytest

from remgcl import Candidate, Evidence, Region, Verdict
from remgcl.plugins.judges import Form
from remgcl.testing.evidence import Asked

REGION = Region("OCR SERVICES?", ((0, 0), (9, 0), (9, 9), (0, 9)))


def judged(question: str, answer: str, **settings: object) -> Verdict:
    """Judge a pair."""
    evidence = Evidence(name="a", digest="00", size=(9, 9), regions=(REGION,))

    async def judge() -> Verdict:
        return await Form(**settings)(evidence, Candidate(question=question, answer=answer), Asked(""))  # type: ignore[arg-type]

    return asyncio.run(judge())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What does the sign say?", "It says: stop."),
        ('Why does the poster ask "Why?" twice?', "Because it can."),
        ("What is offered by OCR services?", "The text calls itself OCR services."),
        ("How much is 3 + 4?", "7"),
    ],
)
def test_a_good_pair_passes(question: str, answer: str) -> None:
    assert judged(question, answer) == Verdict(passed=True)


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("Tell me what it says.", "Stop.", "not one question that ends with its question mark; there are 0"),
        ("What is it? Who made it?", "A sign.", "not one question that ends with its question mark; there are 2"),
        ("What does it say?", "word " * 401, "an answer of 401 words; 1 to 400 are allowed"),
        ("What " + "is " * 80 + "it?", "A sign.", "a question of 82 words; 80 are allowed"),
        ("What does it say?", "I'm sorry, I cannot see it.", 'a refusal: "I\'m sorry"'),
        ("What does it say?", "As an AI, I guess stop.", "a refusal: 'As an AI'"),
        ("What is inside the bounding box?", "A word.", "tells how it was made: 'bounding box'"),
        ("What does it say?", "According to the caption, stop.", "tells how it was made: 'caption'"),
        ("What does it say?", "Answer: stop.", "holds the mark 'Answer:'"),
        ("What does <image> say?", "Stop.", "holds the mark '<image>'"),
        ("\u4ec0\u4e48\u5b57 is it?", "Stop.", "a question that is not in English: its letters are not"),
        ("Was steht auf dem Schild?", "Halt.", "a question that is not in English: it has none of the commonest words"),
    ],
)
def test_a_bad_pair_is_refused_with_the_reason(question: str, answer: str, why: str) -> None:
    verdict = judged(question, answer)
    assert not verdict.passed
    assert verdict.why == why


def test_any_language_is_allowed_where_that_is_said() -> None:
    assert judged("Wer schrieb das?", "Niemand.", language="any").passed
