"""The template of LLaVA-1.6's 34B model."""

from __future__ import annotations

from attrs import frozen

from remgcl.plugins.templates.mpt import Mpt


@frozen(kw_only=True)
class ChatMLDirect(Mpt):
    """LLaVA's ChatML with a short system text.

    Source: LLaVA, `llava/conversation.py` `conv_chatml_direct`.

    Attributes:
        system: The system text; none if it is empty.
    """

    system: str = "Answer the questions."
