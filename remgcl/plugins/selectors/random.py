"""Pairs by chance, as the published run took them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from attrs import frozen

from remgcl import Scored, Selector


@frozen(kw_only=True)
class RandomSelector(Selector):
    """Choose pairs by chance, each with the same probability."""

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Draw without replacement."""
        return Random(seed).sample(range(len(pool)), min(count, len(pool)))
