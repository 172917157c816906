"""What a server takes on, and no more."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, gt, optional

from remgcl.core.files.images import LARGEST_IMAGE


@frozen(kw_only=True)
class Limits:
    """Bounds of requests and of the queue.

    Attributes:
        batch_size: Questions answered at once.
        wait_seconds: How long the first question of a batch waits for others.
        queue: Requests that are taken on at once, those that are being answered among them.
        body_bytes: Largest request.
        pixels: Largest image, padded to a square, in pixels.
        max_new_tokens: Longest answer that a request may set; None leaves it to the context.
        seconds: Longest time from request to answer.
    """

    batch_size: int = field(default=8, validator=ge(1))
    wait_seconds: float = field(default=0.01, validator=ge(0))
    queue: int = field(default=256, validator=ge(1))
    body_bytes: int = field(default=32 << 20, validator=ge(1))
    pixels: int = field(default=LARGEST_IMAGE, validator=ge(1))
    max_new_tokens: int | None = field(default=None, validator=optional(ge(1)))
    seconds: float = field(default=300.0, validator=gt(0))
