"""Answers that are sent while they grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

from remgcl.core.inference.answer import Answer
from remgcl.core.serving.batcher import Batcher

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from remgcl.core.model.generate import Prompt


class Streamed(StreamingResponse):
    """A stream of events that releases what it holds, however it ends."""

    def __init__(self, events: AsyncIterator[str], held: ExitStack) -> None:
        """Join events and what they hold.

        Args:
            events: The events.
            held: Is closed when the stream has ended, or its client has left before it began.
        """
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        with self._held:
            await super().__call__(scope, receive, send)


async def growing(batcher: Batcher, prompt: Prompt, left: Callable[[], float]) -> AsyncIterator[str | Answer]:
    """Yield the pieces of an answer, and at last the answer; leaving ends the generation.

    Args:
        batcher: Answers the question.
        prompt: The question.
        left: Gives the seconds that are left.

    Raises:
        TimeoutError: No seconds are left.
        RemgclError: The model failed.
    """
    loop = asyncio.get_running_loop()
    grown: asyncio.Queue[str | None] = asyncio.Queue()

    def put(text: str | None) -> None:
        loop.call_soon_threadsafe(grown.put_nowait, text)

    ticket = batcher.submit(prompt, put)
    ticket.answer.add_done_callback(lambda _: put(None))
    sent = 0
    try:
        while (text := await asyncio.wait_for(grown.get(), left())) is not None:
            if text[sent:]:
                yield text[sent:]
                sent = len(text)
        yield ticket.answer.result()
    finally:
        ticket.cancel()
