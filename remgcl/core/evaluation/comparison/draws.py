"""What the headline of a benchmark could have been with other questions: the bootstrap, and McNemar's test.

Source: Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 (percentile intervals) and 6; McNemar,
"Note on the sampling error of the difference between correlated proportions or percentages" (1947), exact form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from remgcl.core.evaluation.scored import Scored

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Draws: TypeAlias = "npt.NDArray[np.float64]"

Headline: TypeAlias = Callable[[Sequence[int]], float | None]
"""Gives the headline of the questions at some places of a file, of which a place may stand there several times."""

AT_ONCE = 2_000_000
"""Most questions that are drawn at once, for the memory's sake."""

SUMMED = 1000
"""Most draws where the rule itself sums up each of them."""

EXACT = 1e-9
"""Largest relative difference between a headline and the mean of its scores."""

TAIL = 2.5
"""Percent of the draws on either side of an interval."""


def is_mean(scored: Scored) -> int | None:
    """Find out whether a headline is the mean of the scores.

    Args:
        scored: An evaluation.

    Returns:
        What the mean is multiplied by, 1 or 100; None if it is something else.
    """
    scores = [item.score for item in scored.items if item.score is not None]
    if len(scores) < len(scored.items) or scored.headline is None or not scores:
        return None
    mean = math.fsum(scores) / len(scores)
    return next((by for by in (1, 100) if math.isclose(mean * by, scored.headline, rel_tol=EXACT, abs_tol=EXACT)), None)


def draw_means(columns: Sequence[Sequence[float]], draws: int, seed: int) -> list[Draws]:
    """Draw questions with replacement, the same for all models, and take the mean of each draw.

    Args:
        columns: The scores of each model, in the same order of questions.
        draws: How often.
        seed: Seed of the draws.

    Returns:
        The means of each model, a `[draws]` each.
    """
    import numpy as np

    values = np.asarray(columns, dtype=np.float64)  # [models, questions]
    count = values.shape[1]
    generator = np.random.default_rng(seed)
    found = np.empty((len(values), draws))
    step = max(1, AT_ONCE // count)
    for start in range(0, draws, step):
        places = generator.integers(count, size=(min(step, draws - start), count))
        for row, scores in enumerate(values):
            found[row, start : start + len(places)] = scores[places].mean(axis=1)
    return list(found)


def draw_headlines(scored: Scored, headlines: Sequence[Headline], draws: int, seed: int) -> list[Draws] | None:
    """Draw images with all their questions, within each type, and have the rule sum up each draw.

    For headlines that are no mean over questions: sums over tasks, F1, ratios.

    Args:
        scored: One of the evaluations, for types and images.
        headlines: The headline of each model; all have the questions in the same order.
        draws: How often.
        seed: Seed of the draws.

    Returns:
        The headlines of each model, a `[draws]` each; None if questions do not say their image, or a draw has no
        headline.
    """
    import numpy as np

    if not all(item.image for item in scored.items):
        return None
    strata: dict[str, dict[str, list[int]]] = {}
    for place, item in enumerate(scored.items):
        strata.setdefault(item.type, {}).setdefault(item.image, []).append(place)
    images = [list(by_image.values()) for by_image in strata.values()]
    generator = np.random.default_rng(seed)
    found: list[list[float]] = [[] for _ in headlines]
    for _ in range(min(draws, SUMMED)):
        places = [
            place
            for stratum in images
            for chosen in generator.integers(len(stratum), size=len(stratum))
            for place in stratum[chosen]
        ]
        for row, headline in zip(found, headlines, strict=True):
            value = headline(places)
            if value is None:
                return None
            row.append(value)
    return [np.asarray(row) for row in found]


def bounds(draws: Draws) -> tuple[float, float]:
    """Return the 95 % percentile interval of draws.

    Args:
        draws: Headlines or differences of them.
    """
    import numpy as np

    low, high = np.percentile(draws, [TAIL, 100 - TAIL])
    return float(low), float(high)


def mcnemar(better: int, worse: int) -> float:
    """Return the two-sided p-value of McNemar's test, exact for any number of questions.

    Args:
        better: Questions that only the one model answers right.
        worse: Questions that only the other answers right.
    """
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def binary(scores: Sequence[Any]) -> bool:
    """Return whether all scores are 0 or 1.

    Args:
        scores: The scores.
    """
    return all(score in {0, 1} for score in scores)
