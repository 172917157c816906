"""Judges that ask a chat model: without the image, with it, and for grades."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from remgcl import Candidate, ChatReply, ChatRequest, Evidence, Judge, Region, ReplyError, Verdict
from remgcl.plugins.judges import Agrees, Blind, Rubric

EVIDENCE = Evidence(
    name="a", digest="00", size=(90, 90), regions=(Region("PORT 42", ((0, 0), (90, 0), (90, 9), (0, 9))),)
)
PAIR = Candidate(question="Which port is it?", answer='The sign says "PORT 42". It is port 42.', type="reading")


class Says:
    """Says one reply after the other, and keeps what was asked."""

    def __init__(self, replies: Sequence[str]) -> None:
        """Begin with the first."""
        self.replies = replies
        self.asked: list[tuple[ChatRequest, int]] = []

    async def __call__(self, request: ChatRequest, draw: int = 0) -> ChatReply:
        """Give the next reply."""
        self.asked.append((request, draw))
        return ChatReply(text=self.replies[len(self.asked) - 1])


def judged(part: Judge, *replies: str, candidate: Candidate = PAIR) -> tuple[Verdict, Says]:
    """Judge a candidate with given replies."""
    says = Says(replies)

    async def judge() -> Verdict:
        return await part(EVIDENCE, candidate, says)

    return asyncio.run(judge()), says


def text_of(request: ChatRequest) -> str:
    """Give all that a request says."""
    texts: list[Any] = [message["content"] for message in request.messages]
    return "\n".join(
        text if isinstance(text, str) else "\n".join(part.get("text", "") for part in text) for text in texts
    )


@pytest.mark.parametrize(
    ("replies", "passed"), [(("80", "42", "443"), True), (("42", "Port 42", "80"), False), (("42", "42", "42"), False)]
)
def test_what_is_guessed_without_the_image_is_refused(replies: tuple[str, ...], passed: bool) -> None:  # noqa: FBT001
    verdict, says = judged(Blind(), *replies)
    assert verdict.passed is passed
    assert [draw for _, draw in says.asked] == [0, 1, 2]
    assert all("PORT" not in text_of(request) for request, _ in says.asked)
    assert not any(isinstance(message["content"], list) for request, _ in says.asked for message in request.messages)


@pytest.mark.parametrize(
    ("replies", "passed"), [(("42", "port 42", "80"), True), (("80", "42", "8080"), False), (("", "-", "?"), False)]
)
def test_an_answer_that_is_not_reached_again_is_refused(replies: tuple[str, ...], passed: bool) -> None:  # noqa: FBT001
    verdict, says = judged(Agrees(), *replies)
    assert verdict.passed is passed
    assert all("PORT 42" in text_of(request) for request, _ in says.asked)


def test_votes_agree_with_the_short_answer_where_there_is_one() -> None:
    candidate = Candidate(
        question="How many are larger?", answer="30 and 45 are larger. That makes 2.", facts={"short": "2"}
    )
    assert judged(Agrees(votes=1), "2.", candidate=candidate)[0].passed
    assert not judged(Agrees(votes=1), "30", candidate=candidate)[0].passed
    assert not judged(Agrees(votes=1), "12", candidate=candidate)[0].passed


def grades(*numbers: int) -> str:
    """Write a reply of grades."""
    return "\n".join(
        f"{name}: {number}" for name, number in zip(("reading", "reasoning", "correct", "clear"), numbers, strict=True)
    )


def test_grades_decide_and_are_scores() -> None:
    verdict, _ = judged(Rubric(), grades(5, 3, 5, 5))
    assert verdict.passed
    assert (verdict.score, verdict.complexity) == (1.0, 0.5)
    assert not judged(Rubric(), grades(5, 5, 3, 5))[0].passed
    assert not judged(Rubric(), grades(3, 2, 4, 3))[0].passed
    assert judged(Rubric(), grades(1, 1, 4, 1))[0].why == "graded low: reading 1, reasoning 1, correct 4, clear 1"


@pytest.mark.parametrize("reply", ["I like it.", "reading: 5", grades(5, 5, 5, 5) + "\nwell done", "reading: 6\n"])
def test_a_reply_without_grades_is_no_verdict(reply: str) -> None:
    with pytest.raises(ReplyError, match="no grades: "):
        judged(Rubric(), reply)
