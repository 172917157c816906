"""A model behind an endpoint that speaks OpenAI's chat API."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Literal

from attrs import field, frozen
from attrs.validators import ge, gt, min_len

from remgcl import (
    Chat,
    ChatError,
    ChatModel,
    ChatReply,
    ChatRequest,
    ChatUsage,
    RequestError,
    data_url,
    without_half_pairs,
)

KINDS: Mapping[int, Literal["busy", "refused", "denied", "failed"]] = {
    401: "denied",
    403: "denied",
    404: "denied",
    408: "failed",
    409: "failed",
    425: "busy",
    429: "busy",
}
"""What an HTTP status means for the caller; any other 4xx is a request at fault, and any other a failure."""

SHOWN = 200
"""Most characters of a server's words that an error repeats."""


@frozen(kw_only=True)
class OpenAi(ChatModel):
    """A model behind any endpoint that speaks OpenAI's chat API: a service, vLLM, `remgcl serve`.

    Each request is sent once, by OpenAI's own client with its retries off.

    Attributes:
        model: The name that the endpoint knows the model by.
        base_url: The endpoint, up to and with ``/v1``.
        key_env: The environment variable that holds the key; without it, none is sent.
        concurrency: Requests that may be under way at the same time.
        timeout: Seconds until a request without a reply has failed.
        image_format: How images are sent; JPEG is smaller and changes them.
        images: Whether the model takes images.
        length_key: What the endpoint calls the longest reply.
        omit: Fields that the endpoint does not take, such as ``temperature``.
        extra: Further fields of each request.
    """

    requires: ClassVar[Mapping[str, str]] = {"openai": "remgcl[openai]"}

    base_url: str = field(validator=min_len(1))
    key_env: str | None = None
    concurrency: int = field(default=16, validator=ge(1))
    timeout: float = field(default=300.0, validator=gt(0))
    image_format: Literal["png", "jpeg"] = "png"
    images: bool = True
    length_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    omit: tuple[Literal["temperature", "top_p", "seed", "stop"], ...] = ()
    extra: dict[str, Any] = field(factory=dict)

    @property
    def sees(self) -> bool:
        """Whether the model takes images."""
        return self.images

    @property
    def at_once(self) -> int:
        """As many requests as are wanted."""
        return self.concurrency

    def identity(self) -> str:
        """Name endpoint, model and what is sent beside the request."""
        sent = {"images": self.image_format, "omit": sorted(self.omit), "extra": self.extra}
        return f"openai {self.base_url.rstrip('/')} {self.model} {json.dumps(sent, sort_keys=True, default=str)}"

    def open(self) -> AbstractAsyncContextManager[Chat]:
        """Connect."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Chat]:
        from openai import AsyncOpenAI

        key = os.environ.get(self.key_env, "") if self.key_env else ""
        if self.key_env and not key:
            raise RequestError(f"key_env: the environment variable {self.key_env!r} is not set or empty")
        async with AsyncOpenAI(
            base_url=self.base_url, api_key=key or "none", max_retries=0, timeout=self.timeout
        ) as client:
            yield _Endpoint(self, client, key)


class _Endpoint:
    """Sends requests to an endpoint."""

    def __init__(self, part: OpenAi, client: Any, key: str) -> None:  # noqa: ANN401 - the client is an extra
        self._part = part
        self._client = client
        self._key = key

    async def send(self, request: ChatRequest) -> ChatReply:
        """Send a request once.

        The client's typed resources are left aside: they check and rebuild each message and each reply, which takes
        as long as all the rest of a call.
        """
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        if request.images and not self._part.images:
            raise ChatError(f"{self._part.model}: takes no images", "refused")
        try:
            text = await self._client.post("/chat/completions", cast_to=str, body=self._body(request))
        except APITimeoutError:
            raise self._error(f"no reply within {self._part.timeout:g} s") from None
        except APIStatusError as error:
            status = error.status_code
            kind = KINDS.get(status, "refused" if status < 500 else "failed")  # noqa: PLR2004 - the server's own faults
            words = f"HTTP {status}: {error.response.text}"
            raise self._error(words, kind, _seconds(error.response.headers.get("retry-after"))) from None
        except APIConnectionError as error:
            raise self._error(f"cannot be reached; {error.__cause__ or error}") from None
        return self._reply(text, request)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        part = self._part
        settings = {
            "temperature": request.temperature,
            "top_p": None if request.top_p == 1 else request.top_p,
            "seed": request.seed,
            "stop": list(request.stop) or None,
        }
        chosen = {name: value for name, value in settings.items() if value is not None and name not in part.omit}
        messages = [{**message, "content": _content(message["content"], part)} for message in request.messages]
        return {
            "model": part.model,
            "messages": messages,
            part.length_key: request.max_new_tokens,
            **chosen,
            **part.extra,
        }

    def _reply(self, body: str, request: ChatRequest) -> ChatReply:
        """Read a reply; what is no completion is a failure, whatever its status says."""
        try:
            completion = json.loads(body)
            choice = completion["choices"][0]
            message = choice["message"]
            text, refusal, ended = message.get("content"), message.get("refusal"), choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._error(f"replied with something else than a completion: {body}") from None
        if not isinstance(text, str | None) or (text is None and not refusal and ended != "content_filter"):
            raise self._error(f"replied with a completion without a text: {body}")
        refused = bool(refusal) or ended == "content_filter"
        usage = completion.get("usage") or {}
        return ChatReply(
            text=text or str(refusal or ""),
            finish="refused" if refused else "length" if ended == "length" else "stop",
            usage=ChatUsage(
                prompt_tokens=usage.get("prompt_tokens") or 0,
                completion_tokens=usage.get("completion_tokens") or 0,
                images=len(request.images),
            ),
            model=str(completion.get("model") or ""),
            reasoning=str(message.get("reasoning_content") or message.get("reasoning") or ""),
        )

    def _error(
        self, what: str, kind: Literal["busy", "refused", "denied", "failed"] = "failed", wait: float | None = None
    ) -> ChatError:
        """Word an error, without the key."""
        detail = " ".join(what.split())
        detail = detail.replace(self._key, "***") if self._key else detail
        return ChatError(f"{self._part.base_url}: {detail[:SHOWN]}", kind, wait)


def _content(content: Any, part: OpenAi) -> Any:  # noqa: ANN401 - a text or parts
    """Write the parts of a message as the endpoint takes them."""
    if isinstance(content, str):
        return without_half_pairs(content)
    return [
        {"type": "text", "text": without_half_pairs(each["text"])}
        if each["type"] == "text"
        else {"type": "image_url", "image_url": {"url": data_url(each["image"], part.image_format)}}
        for each in content
    ]


def _seconds(header: str | None) -> float | None:
    """Read the seconds that a server asks to wait; a date counts as nothing."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
