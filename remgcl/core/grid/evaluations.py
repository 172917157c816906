"""What benchmarks said of the stages of a grid, and differences over seeds and questions.

A stage's evaluations lie in its folder, `evaluation/KEY/`; the metric `KEY.score` of a grid is their headline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from remgcl.core.errors import RunError
from remgcl.core.evaluation.comparison.draws import bounds, is_mean
from remgcl.core.evaluation.comparison.protocols import differences
from remgcl.core.evaluation.scored import SCORES, Scored, read_scored
from remgcl.core.evaluation.stage import FOLDER
from remgcl.core.files.whole import read
from remgcl.core.grid.results import CellResult
from remgcl.core.runs.stage import StageFolder

DRAWS = 5000
SEED = 0

AT_ONCE = 2_000_000
"""Most questions that are drawn at once, for the memory's sake."""


def summaries_of(stage: StageFolder) -> dict[str, Any]:
    """Read what benchmarks said of a stage in sum, by the key of each; groups are below `by`.

    Args:
        stage: The stage's folder.

    Raises:
        RunError: A file of scores cannot be read.
    """
    found = {}
    for file in sorted((stage.path / FOLDER).glob(f"*/{SCORES}")):
        held = read(file) or {}
        found[file.parent.name] = {**held.get("summary", {}), "by": held.get("by", {})}
    return found


def scored_of(stage: StageFolder, metric: str) -> Scored | None:
    """Read the evaluation that a metric is the headline of; None if it is something else, or was not measured.

    Args:
        stage: The stage's folder.
        metric: The metric's key, such as `ocrbench.score`.

    Raises:
        DataError: Predictions were changed since they were scored.
        RunError: The scores cannot be read.
    """
    key, _, what = metric.rpartition(".")
    folder = stage.path / FOLDER / key
    if what != "score" or not key or not (folder / SCORES).is_file():
        return None
    return read_scored(folder / SCORES)[0]


def verify_protocol(metric: str, one: tuple[str, Scored], other: tuple[str, Scored]) -> None:
    """Verify that two cells were evaluated by one protocol.

    Args:
        metric: The metric.
        one: A cell's name and its evaluation.
        other: Those of another.

    Raises:
        RunError: They were not; the error names what differs.
    """
    different = differences(one[1], other[1])
    if different:
        raise RunError(
            f"{metric}: {one[0]} and {other[0]} were evaluated by different protocols, so their scores do not compare: "
            f"{'; '.join(different)}"
        )


def questions_of(scored: Scored) -> dict[str, float]:
    """Return each question's share in the headline: what is averaged to it; empty if the headline is no mean.

    Args:
        scored: The evaluation.
    """
    by = is_mean(scored)
    return {} if by is None else {item.id: by * item.score for item in scored.items if item.score is not None}


def asked_of(results: Iterable[CellResult], metric: str) -> dict[int, Mapping[str, float]]:
    """Return the scores of a cell's questions by seed, where the seed finished.

    Args:
        results: All seeds of the cell.
        metric: The metric.
    """
    return {each.seed: each.questions.get(metric, {}) for each in results if each.state == "finished"}


def over_seeds_and_questions(
    cell: Mapping[int, Mapping[str, float]], baseline: Mapping[int, Mapping[str, float]]
) -> tuple[float, float] | None:
    """Return the 95 % interval of a paired difference over seeds and questions, by the pigeonhole bootstrap.

    Each draw takes seeds with replacement and, independently, questions with replacement, the same questions for all
    seeds and both cells: seeds and questions are crossed, as every seed answers every question.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).

    Args:
        cell: The scores of a cell's questions, by seed.
        baseline: Those of the baseline.

    Returns:
        Both ends; None if there are no seeds or no questions that both have.
    """
    import numpy as np

    seeds = [seed for seed in sorted(cell.keys() & baseline.keys()) if cell[seed] and baseline[seed]]
    if not seeds:
        return None
    ids = list(baseline[seeds[0]])
    paired = np.array([[cell[seed][id_] - baseline[seed][id_] for id_ in ids] for seed in seeds])  # [seeds, questions]
    count = len(ids)
    generator = np.random.default_rng(SEED)
    drawn = np.empty(DRAWS)
    step = max(1, AT_ONCE // count)
    for start in range(0, DRAWS, step):
        size = min(step, DRAWS - start)
        rows = np.arange(size)[:, None]
        places = generator.integers(count, size=(size, count)) + rows * count
        times = np.bincount(places.ravel(), minlength=size * count).reshape(size, count)  # [draws, questions]
        means = times @ paired.T / count  # [draws, seeds]
        drawn[start : start + size] = means[rows, generator.integers(len(seeds), size=(size, len(seeds)))].mean(axis=1)
    return bounds(drawn)
