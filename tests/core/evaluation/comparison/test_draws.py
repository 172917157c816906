"""Intervals over questions, and McNemar's test."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from scipy import stats

from remgcl.core.evaluation.comparison.draws import bounds, draw_headlines, draw_means, is_mean, mcnemar
from remgcl.core.evaluation.scored import read_scored

Evaluation: TypeAlias = Callable[..., Path]


def test_intervals_are_those_of_scipys_bootstrap_alone_and_paired() -> None:
    generator = np.random.default_rng(3)
    one = generator.random(300)
    other = np.clip(one + generator.normal(0.03, 0.1, 300), 0, 1)
    drawn = draw_means([one, other], 20_000, seed=1)
    for ours, values in ((drawn[0], one), (drawn[1] - drawn[0], other - one)):
        theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
        assert bounds(ours) == pytest.approx((theirs.low, theirs.high), abs=0.001)


def test_the_same_seed_draws_the_same_however_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [[0.0, 1.0, 1.0, 0.5]]
    whole = draw_means(scores, 50, seed=4)[0]
    monkeypatch.setattr("remgcl.core.evaluation.comparison.draws.AT_ONCE", 12)
    assert draw_means(scores, 50, seed=4)[0].tolist() == whole.tolist()
    assert draw_means(scores, 50, seed=5)[0].tolist() != whole.tolist()


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        low, high = bounds(draw_means([(generator.random(150) < 0.6).astype(float)], 400, seed)[0])
        held += low <= 0.6 <= high
    assert 0.91 < held / 300 < 0.98


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(5, 1, 14 / 64), (0, 0, 1.0), (10, 10, 1.0), (0, 5, 2 / 32), (1, 0, 1.0)]
)
def test_mcnemars_test_is_exact(better: int, worse: int, p: float) -> None:
    assert mcnemar(better, worse) == pytest.approx(p)


@pytest.mark.parametrize(("headline", "by"), [(0.5, 1), (50.0, 100), (0.4, None)])
def test_a_headline_that_is_the_mean_is_known(
    evaluation: Evaluation, tmp_path: Path, headline: float, by: int | None
) -> None:
    (scored,) = read_scored(evaluation(tmp_path / "a", [1.0, 0.0], headline=headline))
    assert is_mean(scored) == by


def test_images_are_drawn_with_all_their_questions_within_each_type(evaluation: Evaluation, tmp_path: Path) -> None:
    fields = [{"type": "ab"[place // 8], "image": f"{place // 2}.png"} for place in range(16)]
    (scored,) = read_scored(evaluation(tmp_path / "a", [1.0] * 16, fields=fields))
    seen: list[list[int]] = []

    def headline(places: object) -> float:
        seen.append(list(places))  # type: ignore[call-overload]
        return 1.0

    assert draw_headlines(scored, [headline], 50, seed=0)[0].shape == (50,)  # type: ignore[index]
    assert all(
        second == first + 1 and first % 2 == 0
        for drawn in seen
        for first, second in zip(drawn[::2], drawn[1::2], strict=True)
    )
    assert all(sum(place < 8 for place in drawn) == 8 == sum(place >= 8 for place in drawn) for drawn in seen)
    assert len({tuple(drawn) for drawn in seen}) > 40


def test_there_are_no_draws_where_questions_do_not_say_their_image(evaluation: Evaluation, tmp_path: Path) -> None:
    (scored,) = read_scored(evaluation(tmp_path / "a", [1.0], fields=[{"image": None}]))
    assert draw_headlines(scored, [lambda _: 1.0], 50, seed=0) is None
