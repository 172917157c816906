"""The HTTP application: `/v1/models`, `/v1/chat/completions`, `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from remgcl.core.errors import Hint, RemgclError, RequestError
from remgcl.core.inference.answer import Answer
from remgcl.core.serving.batcher import Batcher, Ticket
from remgcl.core.serving.limits import Limits
from remgcl.core.serving.metrics import Metrics
from remgcl.core.serving.refusal import Refusal, refusal_of
from remgcl.core.serving.replies import DONE, Reply, line
from remgcl.core.serving.request import ChatRequest, read_request
from remgcl.core.serving.streams import Streamed, growing

if TYPE_CHECKING:
    from remgcl.core.inference.fetch import Fetcher
    from remgcl.core.inference.loaded import LoadedModel
    from remgcl.core.model.generate import Prompt


class Server:
    """Models behind OpenAI's chat API."""

    def __init__(
        self,
        models: Sequence[LoadedModel],
        limits: Limits | None = None,
        fetcher: Fetcher | None = None,
        key: str | None = None,
    ) -> None:
        """Start the threads that answer.

        Args:
            models: At least one, of different names; the first is the default.
            limits: Limits of requests.
            fetcher: Fetches images at addresses; None refuses them.
            key: The bearer token that clients must send; with None there is no check.
        """
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.batchers: Mapping[str, Batcher] = {
            model.name: Batcher(model, self.limits.batch_size, self.limits.wait_seconds, self.metrics.batches.observe)
            for model in models
        }
        self._fetcher = fetcher
        self._key = key
        self._taken = 0
        self._full = f"the queue is full; {self.limits.queue} requests are accepted at once"
        self.metrics.watch(lambda: self._taken, lambda: sum(each.waiting for each in self.batchers.values()))

    def app(self) -> FastAPI:
        """Make the application."""
        app = FastAPI(title="remgcl", lifespan=self._lifespan, openapi_url=None)
        app.add_api_route("/v1/models", self.models, methods=["GET"])
        app.add_api_route("/v1/chat/completions", self.complete, methods=["POST"], response_model=None)
        app.add_api_route("/health", self.health, methods=["GET"])
        app.add_api_route("/metrics", self.measured, methods=["GET"])
        app.add_exception_handler(Refusal, self._refused)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        for batcher in self.batchers.values():
            await run_in_threadpool(batcher.close)

    async def models(self, request: Request) -> Response:
        """List the models."""
        self._verify(request)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "remgcl"} for name in self.batchers]
        return JSONResponse({"object": "list", "data": data})

    async def health(self) -> Response:
        """Return whether all models work."""
        dead = [name for name, batcher in self.batchers.items() if not batcher.alive]
        status = "ok" if not dead else "dead"
        return JSONResponse({"status": status, "models": [*self.batchers], "dead": dead}, 503 if dead else 200)

    async def measured(self, request: Request) -> Response:
        """Return the metrics."""
        self._verify(request)
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def complete(self, request: Request) -> Response:
        """Answer a conversation."""
        began = monotonic()
        self._verify(request)
        if self._taken >= self.limits.queue:
            raise Refusal(429, self._full, "rate_limit_error")
        self._taken += 1
        release = ExitStack()
        release.callback(self._release)
        try:
            asked, batcher, prompt = await self._prepared(request)
            reply = Reply(batcher.model.name, batcher.model.length(prompt.example))
            if asked.stream:
                events = self._streamed(asked, batcher, prompt, reply, began)
                return Streamed(events, release.pop_all())
            answer = await self._awaited(batcher.submit(prompt), request, began)
            self._count(200, began, answer)
            return JSONResponse(reply.whole(answer))
        except RemgclError as error:
            raise refusal_of(error) from error
        finally:
            release.close()

    def _release(self) -> None:
        self._taken -= 1

    def _verify(self, request: Request) -> None:
        """Refuse a request without the key."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key is not None and not hmac.compare_digest(sent.encode(), self._key.encode()):
            message = "the API key is missing or wrong; send it as 'Authorization: Bearer KEY'"
            raise Refusal(401, message, "authentication_error", "invalid_api_key")

    async def _prepared(self, request: Request) -> tuple[ChatRequest, Batcher, Prompt]:
        """Read and encode a request, in a thread of its own."""
        body = await self._body(request)

        def prepare() -> tuple[ChatRequest, Batcher, Prompt]:
            try:
                asked = read_request(json.loads(body), self.limits, self._fetcher)
            except (ValueError, RecursionError) as error:
                raise RequestError(f"the request is not JSON; {error}") from None
            batcher = self._batcher(asked.model)
            return asked, batcher, batcher.model.prepare(asked.question, asked.decoding)

        return await run_in_threadpool(prepare)

    async def _body(self, request: Request) -> bytes:
        """Read a request up to its largest size."""
        held = bytearray()
        async for chunk in request.stream():
            held += chunk
            if len(held) > self.limits.body_bytes:
                raise Refusal(413, f"the request is larger than {self.limits.body_bytes} bytes")
        return bytes(held)

    def _batcher(self, name: str | None) -> Batcher:
        if name is None:
            return next(iter(self.batchers.values()))
        if name not in self.batchers:
            raise Refusal(404, f"no model {name!r}; {Hint(name, tuple(self.batchers))}", code="model_not_found")
        return self.batchers[name]

    async def _awaited(self, ticket: Ticket, request: Request, began: float) -> Answer:
        """Wait for an answer, for its client to leave, or for the time to be over."""
        answer = asyncio.ensure_future(asyncio.wrap_future(ticket.answer))
        left = asyncio.ensure_future(_gone(request))
        either: set[asyncio.Future[Any]] = {answer, left}
        try:
            await asyncio.wait(either, timeout=self._left(began), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if left.done():
                raise Refusal(499, "the client left")
            raise self._late()
        finally:
            ticket.cancel()
            left.cancel()
            answer.add_done_callback(_seen)

    async def _streamed(
        self, asked: ChatRequest, batcher: Batcher, prompt: Prompt, reply: Reply, began: float
    ) -> AsyncIterator[str]:
        """Send an answer piece by piece; errors become events, as the status is sent already."""
        try:
            answer: Answer | None = None
            yield reply.piece()
            async for piece in growing(batcher, prompt, lambda: self._left(began)):
                if isinstance(piece, Answer):
                    answer = piece
                else:
                    yield reply.piece(piece)
            if answer is not None:
                yield reply.piece(finish=answer.finish)
                if asked.usage:
                    yield reply.counted(answer)
            self._count(200, began, answer)
        except TimeoutError:
            refusal = self._late()
            yield line(refusal.body)
            self._count(refusal.status, began)
        except Exception as error:  # noqa: BLE001 - the client must learn of it
            refusal = refusal_of(error)
            yield line(refusal.body)
            self._count(refusal.status, began)
        yield DONE

    def _late(self) -> Refusal:
        return Refusal(504, f"the answer takes longer than {self.limits.seconds:g} seconds", "timeout")

    def _left(self, began: float) -> float:
        return max(self.limits.seconds - (monotonic() - began), 0)

    def _count(self, status: int, began: float, answer: Answer | None = None) -> None:
        self.metrics.requests.labels(str(status)).inc()
        self.metrics.seconds.observe(monotonic() - began)
        if answer is not None:
            self.metrics.tokens.inc(answer.tokens)

    async def _refused(self, _: Request, error: Exception) -> Response:
        refusal = error if isinstance(error, Refusal) else refusal_of(error)
        self.metrics.requests.labels(str(refusal.status)).inc()
        return JSONResponse(refusal.body, refusal.status, refusal.headers)


def _seen(answer: asyncio.Future[Answer]) -> None:
    """Look at an answer that nobody waits for, so that its error is not reported as forgotten."""
    if not answer.cancelled():
        answer.exception()


async def _gone(request: Request) -> None:
    """Wait until a client leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
