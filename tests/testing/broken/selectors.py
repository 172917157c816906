"""Selectors that break one promise each."""

from collections.abc import Sequence
from itertools import count

from attrs import frozen

from remgcl import Scored, Selector
from remgcl.testing import conformance

FAILURES = {
    "Twice": {"it chooses from any pool": "with a number twice"},
    "Moody": {"it chooses the same for the same seed": "chooses otherwise the second time; draw from the seed"},
    "Takes": {"it leaves the pool as it is": "changes the pool; work on a copy"},
}
"""What each fails, and in which words."""

NUMBERS = count()


@frozen(kw_only=True)
class Good(Selector):
    """Choose the first."""

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Choose them."""
        del seed
        return range(min(count, len(pool)))


@frozen(kw_only=True)
class Twice(Good):
    """Choose the first twice."""

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Choose it, where there is room and nothing else is looked at."""
        del seed
        return [0, 0] if count == 60 and len(pool) == 40 else range(min(count, len(pool)))


@frozen(kw_only=True)
class Moody(Good):
    """Choose another each time."""

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Choose one."""
        del seed
        return [next(NUMBERS) % len(pool)] if pool and count else []


@frozen(kw_only=True)
class Takes(Good):
    """Take out of the pool."""

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Take the last out."""
        del seed
        chosen = range(min(count, max(0, len(pool) - 1)))
        if pool:
            pool.pop()  # type: ignore[attr-defined]
        return chosen


TestGood = conformance(Good())
TestTwice = conformance(Twice())
TestMoody = conformance(Moody())
TestTakes = conformance(Takes())
