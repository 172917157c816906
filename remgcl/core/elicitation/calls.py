"""Calls of chat models: looked up before they are sent, sent again where that helps, kept when they are replied to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from remgcl.core.elicitation.ledger import Ledger, Paid, key_of
from remgcl.core.elicitation.pace import Pace
from remgcl.core.elicitation.purse import Purse, cost_of, most_tokens
from remgcl.core.errors import ChatError, ReplyError, RunError
from remgcl.core.parts import Chat, ChatModel, ChatReply, ChatRequest, Evidence

if TYPE_CHECKING:
    from remgcl.core.elicitation.file import Price

REFUSED_IN_A_ROW = 10
"""Calls refused one after the other, from which the run is at fault and not a call."""

WARM = 0.7
"""Temperature of a second draw of a greedy request: it would be the first one again."""

LONGEST_WAIT = 30.0
"""Most seconds between two tries."""


class CallError(ReplyError):
    """There is no reply: the call failed as often as it may be sent, or was refused. It is not kept."""


@frozen
class Call:
    """A call that a part made, for the record.

    Attributes:
        key: The digest of what was asked.
        model: The name of the model that the server returned.
        tokens_in: Tokens of the request.
        tokens_out: Tokens of the reply.
        cost: Its price, if it is known.
    """

    key: str
    model: str
    tokens_in: int
    tokens_out: int
    cost: float | None


@define(eq=False)
class Caller:
    """Asks one chat model.

    Attributes:
        name: Its key in the file.
        part: The chat model.
        price: What it takes, if that is known.
        ledger: Where replies are kept.
        purse: What pays.
        tries: How often a failing call is sent.
        patience: Seconds without a reply after which a busy model ends the run.
        seed: Seeds sampling.
        sent: Calls that were sent and replied to in this run.
        failed: Calls without a reply in this run.
        names: The names of models that the server returned, and how often.
        stopping: Whether nothing more may be sent.
        identity: Names the model in the keys of its calls.
        under_way: What waits for replies, by the keys of the calls.
    """

    name: str
    part: ChatModel
    price: Price | None
    ledger: Ledger
    purse: Purse
    tries: int
    patience: float
    seed: int
    sent: int = 0
    failed: int = 0
    names: Counter[str] = field(factory=Counter)
    stopping: bool = False
    identity: str = field(init=False)
    _pace: Pace = field(init=False)
    _sees: bool = field(init=False)
    _stack: AsyncExitStack = field(factory=AsyncExitStack, init=False)
    _chat: Chat | None = field(default=None, init=False)
    _opening: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    under_way: dict[str, asyncio.Future[Paid]] = field(factory=dict, init=False)
    _refused: int = field(default=0, init=False)
    _random: Random = field(factory=lambda: Random(0), init=False)

    def __attrs_post_init__(self) -> None:
        """Look at the model without loading it."""
        self.identity = self.part.identity()
        self._sees = self.part.sees
        self._pace = Pace(self.part.at_once, self.patience)

    async def close(self) -> None:
        """Let go of the model."""
        await self._stack.aclose()

    def asking(self, evidence: Evidence, attempt: int, calls: list[Call]) -> Callable[..., Awaitable[ChatReply]]:
        """Make what a part asks by.

        Args:
            evidence: The image that is shown.
            attempt: 0, or 1 where all replies shall be drawn once more.
            calls: Where the calls are listed.
        """

        async def ask(request: ChatRequest, draw: int = 0) -> ChatReply:
            again = attempt and not request.temperature
            seed = (self.seed if request.seed is None else request.seed) + draw + 1000 * attempt
            asked = evolve(request, seed=seed, temperature=WARM if again else request.temperature)
            reply = await self._one(asked, evidence, calls)
            if reply.finish == "length":
                reply = await self._one(evolve(asked, max_new_tokens=2 * asked.max_new_tokens), evidence, calls)
            if reply.finish == "length":
                raise ReplyError(f"cut off at {2 * asked.max_new_tokens} tokens")
            if reply.finish == "refused":
                raise ReplyError(f"refused: {reply.text[:100]!r}")
            if not reply.text.strip():
                raise ReplyError("an empty reply")
            return reply

        return ask

    async def _one(self, request: ChatRequest, evidence: Evidence, calls: list[Call]) -> ChatReply:
        """Look a call up, or send it; one that is under way already is waited for."""
        shown = any(part["type"] == "image" for part in _parts(request))
        key = key_of(self.identity, request, evidence.digest if shown and self._sees else "")
        paid = self.ledger.find(key)
        if paid is None:
            under_way = self.under_way.get(key)
            if under_way is None:
                under_way = self.under_way[key] = asyncio.ensure_future(self._sent(key, request, evidence))
                under_way.add_done_callback(lambda _: self.under_way.pop(key, None))
            paid = await asyncio.shield(under_way)
        usage = paid.reply.usage
        calls.append(Call(key, paid.reply.model, usage.prompt_tokens, usage.completion_tokens, paid.cost))
        return paid.reply

    async def _sent(self, key: str, request: ChatRequest, evidence: Evidence) -> Paid:
        """Send a call until there is a reply, and keep it."""
        tokens = most_tokens(request, sees=self._sees)
        most = cost_of(self.price, tokens, request.max_new_tokens) if self.price else 0.0
        filled = evolve(request, messages=_filled(request.messages, evidence, sees=self._sees))
        tried = 0
        while True:
            if self.stopping:
                raise CallError("the run was stopped before it was sent")
            async with self._pace.turn() as begun, self.purse.setting_aside(most):
                try:
                    reply = await (await self._open()).send(filled)
                except ChatError as error:
                    tried += self._judge(error, begun)
                    failure = error
                else:
                    paid = Paid(reply, self.purse.settle(self.price, reply))
                    self.ledger.keep(key, self.identity, paid)
                    self._pace.replied()
                    self._refused, self.sent = 0, self.sent + 1
                    self.names[reply.model] += 1
                    return paid
            if tried >= self.tries:
                self.failed += 1
                raise CallError(f"no reply after {tried} tries: {failure}")
            if failure.kind != "busy":
                await asyncio.sleep(min(LONGEST_WAIT, 2.0 ** (tried - 1)) * self._random.uniform(0.5, 1.5))

    def _judge(self, error: ChatError, begun: float) -> int:
        """Say whether an error counts as a try; raise where no other one helps.

        Raises:
            RunError: Every call would fail.
            CallError: This call would.
        """
        if error.kind == "busy":
            self._pace.busy(begun, error.wait)
            return 0
        if error.kind == "denied":
            raise RunError(f"models.{self.name}: {error}; nothing more is sent") from error
        if error.kind == "refused":
            self._refused, self.failed = self._refused + 1, self.failed + 1
            if self._refused >= REFUSED_IN_A_ROW:
                raise RunError(
                    f"models.{self.name}: {self._refused} calls in a row were refused, the last with: {error}; "
                    "nothing more is sent"
                ) from error
            raise CallError(f"refused by the server: {error}") from error
        return 1

    async def _open(self) -> Chat:
        """Open the chat model when it is first needed: a run whose replies are all kept needs no key and no weights."""
        async with self._opening:
            if self._chat is None:
                self._chat = await self._stack.enter_async_context(self.part.open())
        return self._chat


def _parts(request: ChatRequest) -> list[Mapping[str, Any]]:
    return [
        part for message in request.messages if not isinstance(message["content"], str) for part in message["content"]
    ]


def _filled(messages: Sequence[Mapping[str, Any]], evidence: Evidence, *, sees: bool) -> list[dict[str, Any]]:
    """Put the image where it is shown; a model that takes none gets the texts alone."""
    filled = []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str):
            content = [
                {"type": "image", "image": evidence.image} if part["type"] == "image" else part
                for part in content
                if sees or part["type"] != "image"
            ]
        filled.append({**message, "content": content})
    return filled
