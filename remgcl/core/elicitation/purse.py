"""Money: the worst case of a call is set aside before it is sent, so that a budget is never exceeded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from remgcl.core.elicitation.file import Price
from remgcl.core.errors import ReplyError
from remgcl.core.parts import ChatReply, ChatRequest

MILLION = 1_000_000

IMAGE_TOKENS = 3_000
"""Most tokens that an image is taken to cost."""

MESSAGE_TOKENS = 20
"""Most tokens that a chat template adds to a message."""


class SpentError(ReplyError):
    """The budget does not allow another call; it was not sent."""


def most_tokens(request: ChatRequest, *, sees: bool) -> int:
    """Bound the tokens of a request: no tokenizer makes more tokens than a text has bytes.

    Args:
        request: The request.
        sees: Whether its images are sent.
    """
    tokens = 0
    for message in request.messages:
        content: Any = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [part["text"] for part in parts if part["type"] == "text"]
        images = len(parts) - len(texts)
        tokens += (
            MESSAGE_TOKENS + sum(len(text.encode(errors="replace")) for text in texts) + images * IMAGE_TOKENS * sees
        )
    return tokens


def cost_of(price: Price, tokens_in: int, tokens_out: int) -> float:
    """Compute the price of a call.

    Args:
        price: The prices of the model.
        tokens_in: Tokens of the request.
        tokens_out: Tokens of the reply.
    """
    return (price.input * tokens_in + price.output * tokens_out) / MILLION


@define(eq=False)
class Purse:
    """What was spent, what is set aside, and what there is.

    Attributes:
        budget: Most that may be spent; None for no bound.
        spent: What was.
        aside: What calls under way may take.
    """

    budget: float | None
    spent: float = 0.0
    aside: float = 0.0
    _under_way: int = field(default=0, init=False)
    _settled: asyncio.Event = field(factory=asyncio.Event, init=False)

    @asynccontextmanager
    async def setting_aside(self, most: float) -> AsyncIterator[None]:
        """Set the worst case of a call aside while it is under way, once there is room for it.

        Args:
            most: What it may take.

        Raises:
            SpentError: There is no room, and no call under way that could leave some.
        """
        while self.budget is not None and self.spent + self.aside + most > self.budget:
            if not self._under_way:
                raise SpentError(
                    f"the budget of {self.budget:g} does not allow it: {self.spent:.6g} is spent, "
                    f"and it may take {most:.6g}"
                )
            self._settled.clear()
            await self._settled.wait()
        self.aside += most
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.aside = self.aside - most if self._under_way else 0.0
            self._settled.set()

    def settle(self, price: Price | None, reply: ChatReply) -> float | None:
        """Pay for a reply.

        Args:
            price: The prices of the model, if they are known.
            reply: The reply.

        Returns:
            What it took; None where that is not known.
        """
        if price is None:
            return None
        cost = cost_of(price, reply.usage.prompt_tokens, reply.usage.completion_tokens)
        self.spent += cost
        return cost
