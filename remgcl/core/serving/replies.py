"""The replies of OpenAI's chat API, and its errors."""

from __future__ import annotations

import json
from time import time
from typing import Any
from uuid import uuid4

from attrs import field, frozen

from remgcl.core.inference.answer import Answer

DONE = "data: [DONE]\n\n"
"""The last line of a stream."""


@frozen
class Reply:
    """The replies to one request.

    Attributes:
        model: The model's name.
        prompt_tokens: Length of the prompt, image included.
        id: Names the reply.
        created: Seconds since 1970.
    """

    model: str
    prompt_tokens: int
    id: str = field(factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(factory=lambda: int(time()))

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Make the reply to a request that does not stream.

        Args:
            answer: The answer.
        """
        message = {"role": "assistant", "content": str(answer)}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage(answer)}

    def piece(self, text: str | None = None, finish: str | None = None) -> str:
        """Make a line of a stream.

        Args:
            text: The new part of the answer; None opens the stream, or ends it.
            finish: Why the answer ended.
        """
        opening = {"role": "assistant", "content": ""}
        delta = {"content": text} if text is not None else {} if finish else opening
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return line({**self._head("chat.completion.chunk"), "choices": [choice]})

    def counted(self, answer: Answer) -> str:
        """Make the line of a stream that counts tokens.

        Args:
            answer: The answer.
        """
        return line({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage(answer)})

    def usage(self, answer: Answer) -> dict[str, int]:
        """Count tokens; `cut_tokens` are those of the prompt that did not fit the context.

        Args:
            answer: The answer.
        """
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": self.prompt_tokens + answer.tokens,
            "cut_tokens": answer.cut,
        }

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """Make the body of an error.

    Args:
        message: The reason.
        kind: OpenAI's type of error.
        code: OpenAI's code of the error, if it has one.
    """
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def line(event: object) -> str:
    """Write a server-sent event.

    Args:
        event: What it holds, as JSON.
    """
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
