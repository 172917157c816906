"""Chat models that break one promise each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

from attrs import frozen

from remgcl import Chat, ChatModel, ChatReply, ChatRequest, ChatUsage
from remgcl.testing import conformance

NUMBERS = count()

FAILURES = {
    "Restless": {"its identity stays": "name what decides the replies, and no more"},
    "Mixed": {"every request has its own reply": "answer each request by itself"},
    "Blind": {"it counts what a reply takes": "send: counts 0 images of 1"},
    "Endless": {"it counts what a reply takes": "and 40 of a reply that may have 3"},
    "Writes": {"a request stays as it is": "send: changes the request; work on a copy"},
    "Sightless": {"an image that it cannot see is refused": "with 'What?'; raise ChatError"},
}
"""What each fails, and in which words."""


class Echo:
    """Says what is said to it, or does something wrong."""

    def __init__(self, broken: str) -> None:
        """Begin."""
        self.broken, self.under_way = broken, 0

    async def send(self, request: ChatRequest) -> ChatReply:
        """Answer."""
        text, images = request.question, len(request.images)
        self.under_way += 1
        await asyncio.sleep(0)
        if self.broken == "Mixed" and self.under_way > 1:
            text = "something else"
        if self.broken == "Writes" and images:
            request.images[0].putpixel((0, 0), (1, 2, 3))
        spent = 40 if self.broken == "Endless" else min(len(text.split()), request.max_new_tokens)
        shown = 0 if self.broken == "Blind" else images
        usage = ChatUsage(prompt_tokens=len(text), completion_tokens=spent, images=shown)
        return ChatReply(text=text, usage=usage)


@frozen(kw_only=True)
class Good(ChatModel):
    """Say what is said to it."""

    model: str = "echo"

    def identity(self) -> str:
        """Name it."""
        return f"echo {next(NUMBERS)}" if type(self).__name__ == "Restless" else "echo"

    @property
    def sees(self) -> bool:
        """Whether it takes images."""
        return type(self).__name__ != "Sightless"

    def open(self) -> AbstractAsyncContextManager[Chat]:
        """Begin."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Chat]:
        yield Echo(type(self).__name__)


@frozen(kw_only=True)
class Restless(Good):
    """Have another name each time."""


@frozen(kw_only=True)
class Mixed(Good):
    """Mix up requests that are under way together."""


@frozen(kw_only=True)
class Blind(Good):
    """Count no images."""


@frozen(kw_only=True)
class Endless(Good):
    """Count more than was asked for."""


@frozen(kw_only=True)
class Writes(Good):
    """Draw on images."""


@frozen(kw_only=True)
class Sightless(Good):
    """Ignore images."""


TestGood = conformance(Good())
TestRestless = conformance(Restless())
TestMixed = conformance(Mixed())
TestBlind = conformance(Blind())
TestEndless = conformance(Endless())
TestWrites = conformance(Writes())
TestSightless = conformance(Sightless())
