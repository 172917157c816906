"""Two splits of what is drawn: a text is held out or trained on for good, whatever the seeds."""

from __future__ import annotations

import hashlib


def is_held_out(text: str, share: float) -> bool:
    """Return whether a text is held out, by its SHA-256.

    Args:
        text: What is written.
        share: Share of all texts that is held out.
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32 < share
