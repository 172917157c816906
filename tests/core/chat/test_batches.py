"""Requests that wait together are answered together, and none fails because of another."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from remgcl import ChatReply, ChatRequest, PluginError, in_batches


def request(text: str) -> ChatRequest:
    """Make a request."""
    return ChatRequest(messages=[{"role": "user", "content": text}], max_new_tokens=1)


def test_requests_that_wait_together_are_one_batch() -> None:
    sizes: list[int] = []
    threads: set[int] = set()

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        sizes.append(len(requests))
        threads.add(threading.get_ident())
        return [ChatReply(text=each.question.upper()) for each in requests]

    async def run() -> list[str]:
        async with in_batches(answer, 4) as chat:
            replies = await asyncio.gather(*(chat.send(request(f"q{place}")) for place in range(10)))
            return [reply.text for reply in replies]

    assert asyncio.run(run()) == [f"Q{place}" for place in range(10)]
    assert sizes == [4, 4, 2]
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_batch_that_raises_is_tried_one_by_one() -> None:
    tried: list[list[str]] = []

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        tried.append([each.question for each in requests])
        if any(each.question == "bad" for each in requests):
            raise MemoryError("too much")
        return [ChatReply(text=each.question) for each in requests]

    async def run() -> list[object]:
        async with in_batches(answer, 3) as chat:
            sent = (chat.send(request(text)) for text in ("a", "bad", "c"))
            return list(await asyncio.gather(*sent, return_exceptions=True))

    first, second, third = asyncio.run(run())
    assert isinstance(first, ChatReply)
    assert isinstance(third, ChatReply)
    assert (first.text, third.text) == ("a", "c")
    assert isinstance(second, MemoryError)
    assert tried == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


def test_whoever_leaves_takes_no_reply_from_others() -> None:
    release = threading.Event()

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        release.wait(10)
        return [ChatReply(text=each.question) for each in requests]

    async def run() -> str:
        async with in_batches(answer, 1) as chat:
            gone = asyncio.create_task(chat.send(request("gone")))
            stays = asyncio.create_task(chat.send(request("stays")))
            await asyncio.sleep(0.05)
            gone.cancel()
            release.set()
            with pytest.raises(asyncio.CancelledError):
                await gone
            return (await stays).text

    assert asyncio.run(run()) == "stays"


def test_a_number_of_replies_that_is_not_that_of_the_requests_is_an_error() -> None:
    async def run() -> None:
        async with in_batches(lambda _: [], 2) as chat:
            await asyncio.gather(chat.send(request("a")))

    with pytest.raises(PluginError, match="a chat model gave 0 replies to 1 requests"):
        asyncio.run(asyncio.wait_for(run(), 5))
