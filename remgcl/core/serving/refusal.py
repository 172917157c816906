"""Why a request is not answered: an HTTP status and a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remgcl.core.errors import DataError, RemgclError, RequestError
from remgcl.core.serving import replies


class Refusal(Exception):  # noqa: N818 - it is a reply, not a fault of the program
    """A reply with an error status.

    Attributes:
        status: The HTTP status.
        body: The reason, as OpenAI's API words it.
        headers: Further headers.
    """

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> None:
        """Word the reply.

        Args:
            status: The HTTP status.
            message: The reason.
            kind: OpenAI's type of error.
            code: OpenAI's code of the error, if it has one.
        """
        self.status = status
        self.body: dict[str, Any] = replies.error(message, kind, code)
        self.headers: Mapping[str, str] = {"Retry-After": "1"} if status == 429 else {}  # noqa: PLR2004 - HTTP
        super().__init__(message)


def refusal_of(error: Exception) -> Refusal:
    """Make a reply of an error: 400 for what the client sent, 500 for what failed here.

    Args:
        error: The error.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestError | DataError):
        return Refusal(400, str(error))
    what = str(error) if isinstance(error, RemgclError) else f"{type(error).__name__}: {error}"
    return Refusal(500, f"the model failed; {what}", "server_error")
