"""How many calls are under way: fewer where a model is busy, slowly more again, and none while it asks to wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from time import monotonic

from remgcl.core.errors import RunError

LONGEST = 60.0
"""Most seconds of a pause that no server asked for."""


class Pace:
    """The calls of one chat model: all wait if the server makes one wait."""

    def __init__(self, most: int, patience: float) -> None:
        """Begin with as many calls as the model takes.

        Args:
            most: Calls that may be under way.
            patience: Seconds without a reply after which a busy model ends the run.
        """
        self.most = most
        self.limit = float(most)
        self.pauses = 0
        self._patience = patience
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._resume = self._halved = 0.0
        self._replied = monotonic()
        self._pause = 1.0
        self._random = Random(most)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a turn, and hold it.

        Yields:
            When the turn began, for `busy`.

        Raises:
            RunError: The model was busy for too long.
        """
        await self._begin()
        try:
            yield monotonic()
        finally:
            self._running -= 1
            self._wake()

    def busy(self, begun: float, wait: float | None) -> None:
        """Let all calls pause, and halve how many there may be, once for all that were under way together.

        Args:
            begun: When the call began that the server makes wait.
            wait: Seconds that the model asks to wait.

        Raises:
            RunError: Nothing was replied for too long.
        """
        now = monotonic()
        if now - self._replied > self._patience:
            raise RunError(
                f"a chat model was busy for {self._patience:g} s without one reply; what was replied is kept: "
                "run the command again to resume"
            )
        if begun >= self._halved:
            self._halved = now
            self.limit = max(1.0, self.limit / 2)
            self.pauses += 1
            own, self._pause = self._pause * self._random.uniform(0.5, 1.5), min(LONGEST, self._pause * 2)
            self._resume = max(self._resume, now + (own if wait is None else wait))
        elif wait is not None:
            self._resume = max(self._resume, now + wait)

    def replied(self) -> None:
        """Allow slowly more calls."""
        self._replied = monotonic()
        self._pause = 1.0
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    async def _begin(self) -> None:
        while True:
            left = self._resume - monotonic()
            if left > 0:
                await asyncio.sleep(left)
            elif self._running < int(self.limit):
                self._running += 1
                return
            else:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(turn)
                await turn

    def _wake(self) -> None:
        room = int(self.limit) - self._running
        while self._waiting and room > 0:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                room -= 1
