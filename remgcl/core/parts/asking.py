"""How a part of elicitation asks a chat model: it knows neither the model nor the network."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from remgcl.core.parts.chat_model import ChatReply, ChatRequest


class Ask(Protocol):
    """The chat model of a part; the core caches, limits, repeats and pays for the call."""

    def __call__(self, request: ChatRequest, draw: int = 0) -> Awaitable[ChatReply]:
        """Ask; equal requests of one draw are sent and paid for once.

        Args:
            request: The request; an image in it is the evidence's, by `showing`.
            draw: Numbers replies to the same request, such as the votes of a judge.

        Raises:
            ReplyError: The reply is empty, cut off twice, or refused; or there is none. The part may let it pass.
        """
        ...


def showing(text: str) -> list[dict[str, Any]]:
    """Write the content of a message that shows the evidence's image, to a model that sees, before a text.

    Args:
        text: The text.
    """
    return [{"type": "image"}, {"type": "text", "text": text}]
