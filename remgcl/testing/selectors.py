"""What every selector promises: places in the pool, each once, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from remgcl.core.parts import Candidate, Scored, Selector, Verdict
from remgcl.testing.checks import PartChecks, broken


def _pool(size: int) -> list[Scored]:
    """Make a pool of three types, some with scores and some alike."""
    return [
        Scored(
            candidate=Candidate(
                question=f"What is {place % 17} plus {place % 5}?", answer="A number.", type="abc"[place % 3]
            ),
            image=f"{place:032x}",
            verdicts={"form": Verdict(passed=True)}
            | ({"rubric": Verdict(passed=True, score=place % 7 / 7)} if place % 2 else {}),
        )
        for place in range(size)
    ]


class Checks(PartChecks):
    """What every selector promises."""

    def test_it_chooses_from_any_pool(self, part: Selector) -> None:
        """From any pool, an empty one too, it chooses different places, no more than are wanted."""
        for size in (0, 1, 40):
            for count in (0, 1, 10, 60):
                try:
                    part(_pool(size), count, 0)
                except Exception as error:
                    raise broken(part, f"raises {error!r} for {count} of a pool of {size}") from error

    def test_it_chooses_the_same_for_the_same_seed(self, part: Selector) -> None:
        """Pool, count and seed decide what is chosen, so that the same run writes the same data."""
        if list(_chosen(part, _pool(40), 15, 3)) != list(_chosen(part, _pool(40), 15, 3)):
            raise broken(part, "chooses otherwise the second time; draw from the seed")

    def test_it_leaves_the_pool_as_it_is(self, part: Selector) -> None:
        """The pool is read only: the report counts what was left out of it."""
        pool = _pool(40)
        _chosen(part, pool, 15, 3)
        if pool != _pool(40):
            raise broken(part, "changes the pool; work on a copy")


def _chosen(part: Selector, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
    """Choose; nothing where it raises: another check is about that."""
    with suppress(Exception):
        return part(pool, count, seed)
    return ()
