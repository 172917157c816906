"""A request of OpenAI's chat API, read strictly: what cannot be done is refused, not left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.errors import RequestError
from remgcl.core.inference.fetch import Fetcher, is_address
from remgcl.core.inference.images import SHOWN, open_image
from remgcl.core.inference.question import Question, from_messages
from remgcl.core.model.decoding import Decoding
from remgcl.core.serving.limits import Limits

if TYPE_CHECKING:
    from PIL.Image import Image

UNDONE: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "tools": (None, []),
    "functions": (None, []),
    "tool_choice": (None, "none", "auto"),
    "response_format": (None, {"type": "text"}),
    "logit_bias": (None, {}),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "modalities": (None, ["text"]),
    "audio": (None,),
}
"""Settings that would change the answer and are not supported, and the values that change nothing."""


@frozen
class ChatRequest:
    """A request for an answer.

    Attributes:
        model: The model's name; None takes the first.
        question: The conversation.
        decoding: How the answer is decoded.
        stream: Whether to send the answer piece by piece.
        usage: Whether a stream ends with the numbers of tokens.
    """

    model: str | None
    question: Question
    decoding: Decoding
    stream: bool
    usage: bool


def read_request(body: object, limits: Limits, fetcher: Fetcher | None) -> ChatRequest:
    """Read a request.

    Args:
        body: The parsed JSON of the request.
        limits: Limits of requests.
        fetcher: Fetches images at addresses; None refuses them.

    Raises:
        DataError: The image cannot be read.
        RequestError: The request has another form, or sets something unsupported.
    """
    if not isinstance(body, dict):
        raise RequestError("the request must be a JSON object")
    for name, allowed in UNDONE.items():
        if body.get(name) not in allowed:
            raise RequestError(f"{name}: is not supported; leave it out")
    model = _of(body, "model", str)
    stream = bool(_of(body, "stream", bool))
    options = _of(body, "stream_options", dict) or {}
    decoding = _decoding(body, limits)

    def open_part(source: object) -> Image:
        return _opened(source, limits, fetcher)

    question = from_messages(body.get("messages") or [], open_part)
    return ChatRequest(model, question, decoding, stream, bool(options.get("include_usage")))


def _decoding(body: Mapping[str, Any], limits: Limits) -> Decoding:
    """Read how to decode; without a temperature, greedily."""
    longest = _of(body, "max_completion_tokens", int)
    longest = _of(body, "max_tokens", int) if longest is None else longest
    if longest is not None and limits.max_new_tokens is not None and longest > limits.max_new_tokens:
        raise RequestError(f"max_tokens: may be {limits.max_new_tokens} at most; it is {longest}")
    stop = body.get("stop")
    texts = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequestError("stop: must be a text or a list of texts")
    temperature, top_p = _of(body, "temperature", int | float), _of(body, "top_p", int | float)
    return Decoding(
        max_new_tokens=limits.max_new_tokens if longest is None else longest,
        temperature=0.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        seed=_of(body, "seed", int),
        stop=tuple(text for text in texts if text),
    )


def _of(body: Mapping[str, Any], name: str, kind: Any) -> Any:  # noqa: ANN401 - a type or several
    """Return a setting of a type, or None."""
    value = body.get(name)
    if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        named = getattr(kind, "__name__", str(kind))
        raise RequestError(f"{name}: must be of type {named}; it is {value!r:.60}")
    return value


def _opened(source: object, limits: Limits, fetcher: Fetcher | None) -> Image:
    """Open an image of a request: a data URL, or an address where that is allowed; never a file of the server."""
    if isinstance(source, str) and source.startswith("data:"):
        return open_image(source, limits.pixels)
    if is_address(source) and fetcher is not None:
        return open_image(fetcher.fetch(str(source)), limits.pixels)
    shown = repr(source)[:SHOWN]
    what = "is an address, and this server fetches no addresses" if is_address(source) else "is no data URL"
    raise RequestError(f"image {shown}: {what}; send the image as a data URL")
