"""Requests that wait at the same time, answered together in one thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeAlias

from remgcl.core.errors import PluginError
from remgcl.core.parts import Chat, ChatReply, ChatRequest

AnswerAll: TypeAlias = Callable[[Sequence[ChatRequest]], Sequence[ChatReply | Exception]]
"""Answers requests in one batch, in their order; where one has no reply, gives what is raised for it."""


@asynccontextmanager
async def in_batches(answer: AnswerAll, size: int) -> AsyncIterator[Chat]:
    """Make a chat of a function that answers a batch.

    The function runs in one thread, a batch at a time. Where a batch raises, its requests are tried again one by one,
    so that no request fails because of another.

    Args:
        answer: Answers requests in one batch.
        size: Most requests of a batch.
    """
    with ThreadPoolExecutor(1, "chat") as thread:
        batches = _Batches(answer, size, thread)
        try:
            yield batches
        finally:
            await batches.close()


class _Batches:
    """Takes requests, and answers those that wait together."""

    def __init__(self, answer: AnswerAll, size: int, thread: ThreadPoolExecutor) -> None:
        self._answer = answer
        self._size = size
        self._thread = thread
        self._waiting: deque[tuple[ChatRequest, asyncio.Future[ChatReply]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def send(self, request: ChatRequest) -> ChatReply:
        """Wait for the batch that the request is in."""
        reply: asyncio.Future[ChatReply] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, reply))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_waiting())
        return await reply

    async def close(self) -> None:
        """Wait for the batch under way; requests whose senders have left are dropped."""
        self._waiting.clear()
        if self._work is not None:
            await self._work

    async def _answer_waiting(self) -> None:
        while self._waiting:
            await _others_sent(lambda: len(self._waiting), self._size)
            taken = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            batch = [(request, reply) for request, reply in taken if not reply.done()]
            if batch:
                await self._answer_batch(batch)

    def _answered(self, requests: Sequence[ChatRequest]) -> Sequence[ChatReply | Exception]:
        replies = self._answer(requests)
        if len(replies) != len(requests):
            raise PluginError(f"a chat model gave {len(replies)} replies to {len(requests)} requests")
        return replies

    async def _answer_batch(self, batch: Sequence[tuple[ChatRequest, asyncio.Future[ChatReply]]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            replies = await loop.run_in_executor(self._thread, self._answered, [request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 - raised where the request was sent
            if len(batch) > 1:
                for each in batch:
                    await self._answer_batch([each])
                return
            replies = [error]
        for (_, waiting), reply in zip(batch, replies, strict=True):
            if waiting.done():  # whoever sent it has left
                continue
            if isinstance(reply, Exception):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)


async def _others_sent(waiting: Callable[[], int], size: int) -> None:
    """Let those who send at the same time do so: until a batch is full, or nobody has come for a few turns."""
    quiet, before = 0, waiting()
    while before < size and quiet < 5:  # noqa: PLR2004 - turns of the loop, none of which waits
        await asyncio.sleep(0)
        quiet, before = (quiet + 1 if waiting() == before else 0), waiting()
