"""A server that speaks OpenAI's chat API by a script: what it replies, how slowly, and how it fails.

It answers from memory and keeps count: figures measured with it are those of the client, not of a model.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field, frozen

PAIR = "Question: How much do the two cost together?\nAnswer: One costs 3 and the other 4. 3 + 4 = 7. They cost 7."


@frozen(kw_only=True)
class Said:
    """What the server does with a request.

    Attributes:
        text: The text of the completion.
        status: The HTTP status; other than 200 sends `body`.
        body: The body in place of a completion.
        headers: Further headers.
        seconds: How long it takes.
        drop: Whether the connection is closed without a reply.
        finish: Why the completion ended.
        model: The name of the model that is returned.
        tokens: Tokens of request and reply.
    """

    text: str = PAIR
    status: int = 200
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    drop: bool = False
    finish: str = "stop"
    model: str = "scripted"
    tokens: tuple[int, int] = (100, 30)


Script = Callable[[dict[str, Any], int], Said]
"""Says what is done with a request, by its body and its number from 0."""


@define(eq=False)
class ChatServer:
    """The server.

    Attributes:
        script: What it does.
        requests: The bodies that came, if they are kept.
        count: How many came.
        most: Most requests that were under way at once.
        keep: Whether bodies are kept.
    """

    script: Script
    keep: bool = True
    requests: list[dict[str, Any]] = field(factory=list)
    count: int = 0
    most: int = 0
    port: int = 0
    _now: int = 0
    _stop: Callable[[], object] = field(default=lambda: None, init=False)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, ready: Callable[[], object]) -> None:
        """Answer until stopped.

        Args:
            ready: Called once the port is open.
        """
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(over.set)
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        await over.wait()
        server.close()

    def stop(self) -> None:
        """End, from any thread."""
        self._stop()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        number, self.count, self._now = self.count, self.count + 1, self._now + 1
        self.most = max(self.most, self._now)
        if self.keep:
            self.requests.append(body)
        said = self.script(body, number)
        await asyncio.sleep(said.seconds)
        self._now -= 1
        if said.drop:
            return False
        content = (said.body if said.body is not None else json.dumps(_completion(said))).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(content))), *said.headers]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        writer.write(f"HTTP/1.1 {said.status} Said\r\n{lines}\r\n".encode() + content)
        await writer.drain()
        return True


def _completion(said: Said) -> dict[str, Any]:
    given, made = said.tokens
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": said.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said.text}, "finish_reason": said.finish}],
        "usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made},
    }


@contextmanager
def chat_server(script: Script, *, keep: bool = True) -> Iterator[ChatServer]:
    """Serve in a thread.

    Args:
        script: What is done with each request.
        keep: Whether the bodies of requests are kept.
    """
    server, ready = ChatServer(script, keep), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(server.serve(ready.set),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
