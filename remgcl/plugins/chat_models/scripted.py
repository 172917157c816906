"""Replies that are written beforehand, for tests and trials without a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import field, frozen
from attrs.validators import ge, min_len

from remgcl import Chat, ChatError, ChatModel, ChatReply, ChatRequest, ChatUsage, DataError, RequestError


@frozen(kw_only=True)
class Scripted(ChatModel):
    """Replies from a list, a file or a function, in place of a model.

    Attributes:
        model: What it is called.
        replies: Replies in the order of the requests; the first follows the last.
        file: JSON lines ``{"question": TEXT, "reply": TEXT}``: the reply to each last message.
        function: ``package.module:name`` of a function of a `ChatRequest`, which returns a text.
        images: Whether it takes images.
        seconds: How long a reply takes.
        concurrency: Requests that may be under way at the same time.
    """

    model: str = field(default="scripted", validator=min_len(1))
    replies: tuple[str, ...] = ()
    file: str | None = None
    function: str | None = None
    images: bool = True
    seconds: float = field(default=0.0, validator=ge(0))
    concurrency: int = field(default=1, validator=ge(1))

    def __attrs_post_init__(self) -> None:
        """Verify that there is one script."""
        if sum(map(bool, (self.replies, self.file, self.function))) != 1:
            raise ValueError("must name one of 'replies', 'file' and 'function'")

    @property
    def sees(self) -> bool:
        """Whether it takes images."""
        return self.images

    @property
    def at_once(self) -> int:
        """As many requests as are wanted."""
        return self.concurrency

    def identity(self) -> str:
        """Name the script."""
        held = Path(self.file).read_bytes() if self.file and Path(self.file).is_file() else b""
        content = json.dumps([self.replies, self.file, self.function]).encode() + held
        return f"scripted {self.model} {sha256(content).hexdigest()[:32]}"

    def open(self) -> AbstractAsyncContextManager[Chat]:
        """Read the script."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Chat]:
        yield _Script(self, self._script())

    def _script(self) -> Callable[[ChatRequest], str]:
        if self.function:
            return _function(self.function)
        if self.file:
            by_question = _read(Path(self.file))
            return lambda request: _known(by_question, request.question)
        place = iter(range(10**18))
        return lambda _: self.replies[next(place) % len(self.replies)]


class _Script:
    """Answers from a script."""

    def __init__(self, part: Scripted, script: Callable[[ChatRequest], str]) -> None:
        self._part = part
        self._script = script

    async def send(self, request: ChatRequest) -> ChatReply:
        """Look the reply up."""
        if request.images and not self._part.images:
            raise ChatError(f"{self._part.model}: takes no images", "refused")
        text = self._script(request)
        await asyncio.sleep(self._part.seconds)
        words = text.split()
        cut = len(words) > request.max_new_tokens
        usage = ChatUsage(
            prompt_tokens=len(request.question.split()),
            completion_tokens=min(len(words), request.max_new_tokens),
            images=len(request.images),
        )
        shown = " ".join(words[: request.max_new_tokens]) if cut else text
        return ChatReply(text=shown, finish="length" if cut else "stop", usage=usage, model=self._part.model)


def _function(name: str) -> Callable[[ChatRequest], str]:
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RequestError(f"function: {name!r} cannot be imported; {error}") from None
    return found  # type: ignore[no-any-return]


def _read(file: Path) -> dict[str, str]:
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
        return {line["question"]: line["reply"] for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: is no file of replies; {error!r}") from None


def _known(by_question: dict[str, str], question: str) -> str:
    if question not in by_question:
        raise ChatError(f"there is no reply to {question[:60]!r}", "refused")
    return by_question[question]
