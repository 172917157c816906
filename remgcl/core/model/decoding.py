"""How an answer is decoded: length, temperature, top-p, seed and stop strings."""

from __future__ import annotations

from math import isfinite

from attrs import frozen

from remgcl.core.errors import RequestError

DEFAULT_NEW_TOKENS = 512
"""Longest answer where nobody names one, if the context has room for it (LLaVA, `llava/eval/run_llava.py`)."""


@frozen(kw_only=True)
class Decoding:
    """How one answer is decoded; greedily by default.

    Attributes:
        max_new_tokens: Longest answer in tokens; by default 512, or fewer if the context has less room.
        temperature: Divides the logits before sampling; 0 always takes the most probable token.
        top_p: Share of the probability that is sampled from, the most probable tokens first.
        seed: Seed of the sampling; without it, answers differ from call to call.
        stop: Texts that end the answer; they are not part of it.
    """

    max_new_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Verify all settings.

        Raises:
            RequestError: Every setting that is out of its range.
        """
        faults = []
        if self.max_new_tokens is not None and not (_whole(self.max_new_tokens) and self.max_new_tokens >= 1):
            faults.append(f"max_new_tokens: must be a whole number of at least 1; it is {self.max_new_tokens!r}")
        if not (_number(self.temperature) and self.temperature >= 0):
            faults.append(f"temperature: must be a number of at least 0; it is {self.temperature!r}")
        if not (_number(self.top_p) and 0 < self.top_p <= 1):
            faults.append(f"top_p: must be above 0 and at most 1; it is {self.top_p!r}")
        if self.seed is not None and not (_whole(self.seed) and -(2**63) <= self.seed < 2**63):
            faults.append(f"seed: must be a whole number of 64 bits; it is {self.seed!r}")
        if isinstance(self.stop, str) or not all(isinstance(text, str) and text for text in self.stop):
            faults.append(f"stop: must be texts that are not empty; it is {self.stop!r}")
        if faults:
            raise RequestError("\n".join(faults))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
