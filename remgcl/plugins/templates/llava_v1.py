"""LLaVA's template of version 1, which speaks of a human where Vicuna's speaks of a user."""

from __future__ import annotations

from attrs import frozen

from remgcl.plugins.templates.v1 import V1


@frozen(kw_only=True)
class LlavaV1(V1):
    """Vicuna's turns after LLaVA's system text; published evaluations name it, training uses `v1`.

    Source: LLaVA, `llava/conversation.py` `conv_llava_v1`.

    Attributes:
        system: The system text; none if it is empty.
    """

    system: str = (
        "A chat between a curious human and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the human's questions."
    )
