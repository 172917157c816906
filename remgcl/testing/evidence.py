"""Images with their text, and a scripted chat model, for checks of generators and judges."""

from __future__ import annotations

from typing import Any

from remgcl.core.parts import Candidate, ChatReply, ChatRequest, Evidence
from remgcl.core.samples import Region

REPLIES = (
    "Question: How much do tea and milk cost together?\nAnswer: Tea costs 4 and milk 3, so together they cost 7.",
    "yes",
    '{"score": 3}',
    "I'm sorry, I can't help with that.",
    "",
    "{",
)
"""Replies that a chat model may give: pairs, votes, scores, a refusal, nothing, and a piece of something."""


def _line(text: str, left: float, top: float, confidence: float = 1.0) -> Region:
    right, bottom = left + 8.0 * len(text), top + 14.0
    return Region(text, ((left, top), (right, top), (right, bottom), (left, bottom)), confidence)


def evidences() -> list[Evidence]:
    """Return an image with several lines, one with a line that OCR doubts, and one without text."""

    def evidence(name: str, caption: str, *regions: Region) -> Evidence:
        return Evidence(
            name=name, digest=f"{name:0<32}", size=(200, 100), regions=regions, caption=caption, load=_image
        )

    rows = [
        _line(text, left, top) for text, left, top in (("milk", 8, 8), ("3", 150, 8), ("tea", 8, 40), ("4", 150, 40))
    ]
    return [
        evidence("receipt", "A receipt.", *rows, _line("MARKET", 60, 70)),
        evidence("blurred", "", _line("5HOP", 20, 20, confidence=0.3)),
        evidence("meadow", ""),
    ]


def candidates() -> list[Candidate]:
    """Return pairs of all sorts, good and bad."""
    return [
        Candidate(question="How much do tea and milk cost together?", answer="4 + 3 = 7.", type="sum", regions=(1, 3)),
        Candidate(question="What is it?", answer="I'm sorry, I cannot see the image."),
        Candidate(question="x " * 500, answer="\u00e9t\u00e9 \U0001f600 {{ 7 * 7 }} <image>"),
    ]


class Asked:
    """Says the same to every request, and counts them."""

    def __init__(self, text: str) -> None:
        """Choose what is said.

        Args:
            text: The reply.
        """
        self.text = text
        self.count = 0

    async def __call__(self, request: ChatRequest, draw: int = 0) -> ChatReply:
        """Reply.

        Args:
            request: Whatever is asked.
            draw: Which of several replies is wanted.
        """
        del request, draw
        self.count += 1
        return ChatReply(text=self.text, model="conformance")


def _image() -> Any:  # noqa: ANN401 - Pillow is imported where it is used
    from PIL import Image

    return Image.new("RGB", (200, 100), "white")
