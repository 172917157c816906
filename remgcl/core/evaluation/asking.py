"""Many questions asked of a chat model: as many at once as it takes, with patience where it is busy or fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from random import random
from time import monotonic
from typing import TypeAlias

from attrs import define, field, frozen

from remgcl.core.errors import ChatError, DataError, RunError
from remgcl.core.parts import Chat, ChatModel, ChatReply, ChatRequest

Ask: TypeAlias = tuple[str, Callable[[], ChatRequest]]
"""The id of a question, and what makes its request; the image is opened then."""

Heard: TypeAlias = Callable[[str, ChatReply], None]
"""Is called with the id of a question and its reply."""


@frozen(kw_only=True)
class Patience:
    """How long to go on where there is no reply.

    Attributes:
        tries: How often a request that fails is sent.
        seconds: The first wait, doubled each time.
        most: The longest wait.
        silent: Seconds without any reply, while the model is busy, after which everything stops.
        refused: Requests refused one after another after which everything stops.
    """

    tries: int = 5
    seconds: float = 1.0
    most: float = 60.0
    silent: float = 600.0
    refused: int = 10

    def wait(self, time: int) -> float:
        """Return the seconds to wait, with some chance in them so that not all come back together.

        Args:
            time: How often it was waited before.
        """
        return min(self.most, self.seconds * 2.0**time) * (0.5 + random() / 2)


def ask_all(model: ChatModel, asks: Iterable[Ask], heard: Heard, patience: Patience | None = None) -> dict[str, str]:
    """Ask questions, and hand over each reply as it comes.

    Args:
        model: The chat model.
        asks: The questions, in the order they are begun.
        heard: Takes the replies.
        patience: How long to go on where there is no reply.

    Returns:
        Why questions have no reply, by their ids.

    Raises:
        RunError: Nothing can be asked any more; what was heard so far is kept.
        RemgclError: The model cannot be opened.
    """
    return asyncio.run(_ask_all(model, asks, heard, patience or Patience()))


async def _ask_all(model: ChatModel, asks: Iterable[Ask], heard: Heard, patience: Patience) -> dict[str, str]:
    waiting = iter(asks)
    async with model.open() as chat:
        asking = _Asking(chat, patience, heard)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(model.at_once):
                    group.create_task(asking.work(waiting))
        except BaseExceptionGroup as errors:  # the first stopped the others
            raise errors.exceptions[0] from None
    return asking.failed


@define(eq=False)
class _Asking:
    """What the questions under way share: the pause of a busy model, and what failed."""

    chat: Chat
    patience: Patience
    heard: Heard
    failed: dict[str, str] = field(factory=dict)
    until: float = 0.0
    busy: int = 0
    refused: int = 0
    last: float = field(factory=monotonic)

    async def work(self, waiting: Iterator[Ask]) -> None:
        """Ask one question after another."""
        for id_, make in waiting:
            try:
                reply = await self._reply(make())
            except (ChatError, DataError) as error:
                self.failed[id_] = str(error)
                continue
            self.busy = self.refused = 0
            self.last = monotonic()
            self.heard(id_, reply)

    async def _reply(self, request: ChatRequest) -> ChatReply:
        tries = 0
        while True:
            await self._pause()
            try:
                return await self.chat.send(request)
            except ChatError as error:
                await self._judge(error, tries)
                tries += error.kind == "failed"

    async def _pause(self) -> None:
        """Wait until the model is no longer busy."""
        while (left := self.until - monotonic()) > 0:  # noqa: ASYNC110 - it may be put off meanwhile
            await asyncio.sleep(left)

    async def _judge(self, error: ChatError, tries: int) -> None:
        """Wait before another try, or raise."""
        if error.kind == "denied":
            raise RunError(f"nothing can be asked: {error}") from error
        if error.kind == "busy":
            if monotonic() - self.last > self.patience.silent:
                raise RunError(f"no reply for {self.patience.silent:g} s: {error}; the same command resumes") from error
            if self.until <= monotonic():  # one pause for all that are under way
                self.until = monotonic() + (error.wait if error.wait is not None else self.patience.wait(self.busy))
                self.busy += 1
            return
        if error.kind == "refused":
            self.refused += 1
            if self.refused >= self.patience.refused:
                raise RunError(f"{self.refused} requests in a row were refused; the last: {error}") from error
            raise error
        if tries + 1 >= self.patience.tries:
            raise error
        await asyncio.sleep(self.patience.wait(tries))
