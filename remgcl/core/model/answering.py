"""One answer while it is generated: its tokens, its text so far, and whether it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from attrs import define, field

from remgcl.core.data.ending import Ending

Finish: TypeAlias = Literal["stop", "length"]
"""Why an answer ended: the model or a stop string ended it, or it reached its longest length."""


@define(eq=False)
class Answering:
    """One answer while it is generated.

    Attributes:
        tokenizer: The backbone's tokenizer.
        ending: How the template ends an answer.
        limit: Longest answer in tokens.
        stop: Texts that end it as well.
        ids: The tokens so far, the one that ended it excluded.
        finish: Why it ended; None while it has not.
        cancelled: Whether nobody waits for it any more.
    """

    tokenizer: Any
    ending: Ending
    limit: int
    stop: Sequence[str] = ()
    ids: list[int] = field(factory=list)
    finish: Finish | None = None
    cancelled: bool = False
    generated: int = 0
    _whole: str | None = None

    def add(self, token: int) -> None:
        """Take the next token.

        Args:
            token: Its id.
        """
        if self.over:
            return
        self.generated += 1
        if token in self.ending.ids:
            self.finish = "stop"
            return
        self.ids.append(token)
        self._whole = None
        if self.ends and self._cut() is not None:
            self.finish = "stop"
        elif self.generated >= self.limit:
            self.finish = "length"

    @property
    def over(self) -> bool:
        """Whether no more tokens are wanted."""
        return self.finish is not None or self.cancelled

    @property
    def ends(self) -> tuple[str, ...]:
        """The texts that end the answer."""
        own = () if self.ending.whole or not self.ending.text else (self.ending.text,)
        return (*self.stop, *own)

    @property
    def text(self) -> str:
        """The answer so far, without the text that ended it and without space around it."""
        return self._decoded[: self._cut()].strip()

    @property
    def settled(self) -> str:
        """The beginning of the answer that later tokens cannot change."""
        if self.over:
            return self.text
        text = self._decoded.rstrip("\N{REPLACEMENT CHARACTER}")
        held = max((_overlap(text, end) for end in self.ends), default=0)
        return text[: len(text) - held].strip()

    @property
    def _decoded(self) -> str:
        if self._whole is None:
            self._whole = self.tokenizer.decode(self.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return self._whole

    def _cut(self) -> int | None:
        """Find where the first text that ends the answer begins."""
        return min((at for end in self.ends if (at := self._decoded.find(end)) >= 0), default=None)


def _overlap(text: str, end: str) -> int:
    """Measure how much of the end of a text may be the beginning of a text that ends the answer."""
    return next((size for size in range(min(len(text), len(end) - 1), 0, -1) if text.endswith(end[:size])), 0)
