"""The contract of selectors: which of the pairs that every judge passed go into the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen

from remgcl.core.parts.evidence import Scored
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import returns, shown, whole


def _flaw(result: object, pool: Sequence[Scored], count: int, seed: int) -> str | None:
    del seed
    places = list(result) if isinstance(result, Sequence) else None
    if places is None or not all(whole()(place) and place < len(pool) for place in places):
        return shown(result)
    if len(set(places)) < len(places):
        return f"{shown(result)}, with a number twice"
    return f"{len(places)} numbers where {count} are wanted" if len(places) > count else None


@frozen(kw_only=True)
class Selector(Part):
    """Choose pairs of a pool."""

    table: ClassVar[str] = "selector"
    command: ClassVar[str] = 'remgcl elicit FILE.toml, with selector = "{name}"'

    @abstractmethod
    @returns("different places in the pool, no more than are wanted", _flaw)
    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Choose pairs.

        Args:
            pool: Pairs that every judge passed, in an order that does not depend on chance.
            count: How many are wanted; fewer may be chosen.
            seed: Seeds whatever is random.

        Returns:
            Their places in the pool, in the order they shall have.
        """
