"""Pairs of all types in equal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from attrs import frozen

from remgcl import Scored, Selector


@frozen(kw_only=True)
class Balanced(Selector):
    """Choose as many pairs of each type as of any other, as far as there are enough; those of a type by chance."""

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Go around the types, the rarest first, until enough are chosen."""
        random = Random(seed)
        by_type: dict[str, list[int]] = {}
        for place in random.sample(range(len(pool)), len(pool)):
            by_type.setdefault(pool[place].candidate.type, []).append(place)
        chosen: list[int] = []
        types = sorted(by_type, key=lambda name: (len(by_type[name]), name))
        for left, name in zip(range(len(types), 0, -1), types, strict=True):
            chosen += by_type[name][: -(-(count - len(chosen)) // left)]
        return random.sample(chosen, min(count, len(chosen)))
