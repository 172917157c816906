"""Selectors: by chance, by type, by score."""

from collections import Counter

import pytest

from remgcl import Candidate, Scored, Verdict
from remgcl.plugins.selectors import Balanced, RandomSelector, ScoreSelector


def scored(question: str, kind: str = "", score: float | None = None, complexity: float | None = None) -> Scored:
    """Make a pair."""
    verdict = Verdict(passed=True, score=score, complexity=complexity)
    return Scored(
        candidate=Candidate(question=question, answer="It is.", type=kind), image="00", verdicts={"rubric": verdict}
    )


def test_chance_takes_every_pair_alike() -> None:
    pool = [scored(f"{place}?") for place in range(10)]
    often = Counter(place for seed in range(2000) for place in RandomSelector()(pool, 3, seed))
    assert all(abs(count - 600) < 100 for count in often.values())


def test_types_are_balanced_as_far_as_there_are_enough() -> None:
    pool = [scored(f"{place}?", "a" * (1 + (place >= 3) + (place >= 23))) for place in range(123)]
    chosen = Counter(pool[place].candidate.type for place in Balanced()(pool, 33, 0))
    assert chosen == {"a": 3, "aa": 15, "aaa": 15}
    assert len(Balanced()(pool, 500, 0)) == 123


def test_the_best_come_first_and_the_score_is_complexity_times_quality() -> None:
    pool = [
        scored("who wrote the red letter?", score=0.9, complexity=0.1),
        scored("what costs the most here?", score=0.6, complexity=0.6),
        scored("where does the bus stop next?", score=0.5, complexity=0.9),
    ]
    assert list(ScoreSelector()(pool, 2, 0)) == [2, 1]


def test_pairs_that_are_alike_are_chosen_once() -> None:
    words = "which of the many prices on the large red sign at the door of the shop is by far the lowest of all"
    pool = [scored(f"{words} today?", score=0.9), scored(f"{words} today", score=0.8), scored("who is it?", score=0.1)]
    assert list(ScoreSelector(alike=0.8)(pool, 3, 0)) == [0, 2]
    assert sorted(ScoreSelector(alike=1.0)(pool, 3, 0)) == [0, 1, 2]


@pytest.mark.parametrize("seed", [0, 1])
def test_pairs_without_a_score_are_chosen_by_chance(seed: int) -> None:
    pool = [scored(f"question number {place} about {place * 7}?") for place in range(50)]
    chosen = list(ScoreSelector()(pool, 10, seed))
    assert chosen == list(ScoreSelector()(pool, 10, seed))
    assert chosen != list(ScoreSelector()(pool, 10, seed + 1))
