"""Benchmarks of a grid's stages: what is collected, and intervals over seeds and questions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from remgcl import RunError
from remgcl.core.evaluation.comparison.draws import bounds
from remgcl.core.grid.collect import collect
from remgcl.core.grid.evaluations import over_seeds_and_questions
from remgcl.core.grid.report.content import OVER_QUESTIONS, content_of
from remgcl.core.grid.report.table import OVER
from remgcl.core.grid.statistics import summarize

Evaluation: TypeAlias = Callable[..., Path]
Grids: TypeAlias = Any
"""The class of the fixture, which no test can import."""
Scores: TypeAlias = "npt.NDArray[np.float64]"

TEXT = """
baseline = { losses = [] }
seeds = [1, 2, 3]
metrics = ["signs.score", "signs.by.type.scene.score", "exact_match.after"]
[axes]
losses = [[], ["global"]]
"""


def by_seed(scores: Scores) -> dict[int, dict[str, float]]:
    """Name seeds and questions of a table of scores."""
    return {seed: {f"q{place}": float(value) for place, value in enumerate(row)} for seed, row in enumerate(scores)}


def interval(cell: Scores, baseline: Scores) -> tuple[float, float]:
    """Give the interval of a difference, which is there."""
    found = over_seeds_and_questions(by_seed(cell), by_seed(baseline))
    assert found is not None
    return found


def test_the_interval_is_that_of_the_plainest_loop() -> None:
    generator = np.random.default_rng(1)
    paired = generator.normal(0.1, 0.3, (4, 1)) + generator.normal(0, 0.5, (1, 30)) + generator.normal(0, 0.2, (4, 30))
    drawn = []
    for _ in range(4000):
        seeds = [generator.integers(4) for _ in range(4)]
        questions = [generator.integers(30) for _ in range(30)]
        drawn.append(np.mean([[paired[seed, question] for question in questions] for seed in seeds]))
    assert interval(paired, np.zeros_like(paired)) == pytest.approx(bounds(np.array(drawn)), abs=0.02)


def test_it_is_wider_than_over_seeds_or_questions_alone() -> None:
    generator = np.random.default_rng(2)
    seeds, questions = generator.normal(0, 0.1, (6, 1)), generator.normal(0, 0.7, (1, 50))
    low, high = interval(seeds + questions, np.zeros((6, 50)))
    for alone in (seeds + 0 * questions, 0 * seeds + questions):
        narrow = interval(alone, np.zeros((6, 50)))
        assert high - low > narrow[1] - narrow[0] > 0


def test_it_holds_the_true_difference_as_often_as_it_says() -> None:
    generator, held = np.random.default_rng(3), 0
    for _ in range(200):
        seeds, questions = generator.normal(0, 0.2, (8, 1)), generator.normal(0, 1, (1, 60))
        low, high = interval(0.3 + seeds + questions + generator.normal(0, 0.5, (8, 60)), np.zeros((8, 60)))
        held += low <= 0.3 <= high
    assert 0.9 < held / 200 <= 1


def test_questions_are_paired_and_only_seeds_of_both_count() -> None:
    scores = np.random.default_rng(4).random((3, 20))
    cell, baseline = by_seed(scores + 0.25), by_seed(scores)
    del baseline[2]
    assert over_seeds_and_questions(cell, baseline) == pytest.approx((0.25, 0.25))
    assert over_seeds_and_questions({0: {}}, {0: {}}) is None
    assert over_seeds_and_questions({0: cell[0]}, {1: cell[1]}) is None


@pytest.fixture
def evaluated(grids: Grids, evaluation: Evaluation) -> Callable[..., Path]:
    """A function that runs the grid, and gives each last stage an evaluation on the benchmark `signs`."""

    def run(**changed: Any) -> Path:  # noqa: ANN401 - keys of the protocol of one cell
        grids.run(TEXT)
        for cell in sorted((grids.folder.path / "cells").glob("*/seed-*")):
            better, seed = "global" in cell.parent.name, int(cell.name[-1])
            scores = [float(place % 4 < 2 + better or place == seed) for place in range(40)]
            more = changed if (better, seed) == (True, 3) else {}
            folder = evaluation(cell / "evaluation" / "signs", scores, model=str(cell), **more)
            report = json.loads((folder / "scores.json").read_text())
            report["by"] = {"type": {"scene": {"count": 20, "score": 0.25 + seed / 10}}}
            (folder / "scores.json").write_text(json.dumps(report))
        return Path(grids.folder.path)

    return run


def test_benchmarks_are_collected_and_compared_over_seeds_and_questions(evaluated: Callable[..., Path]) -> None:
    results = collect(evaluated())
    first = results.cells[0]
    assert first.metrics == {"signs.score": 0.5, "signs.by.type.scene.score": 0.35, "exact_match.after": 0.51}
    assert len(first.questions["signs.score"]) == 40
    assert list(first.questions) == ["signs.score"]
    _, better = summarize(results)
    found = better.differences["signs.score"].over_questions
    assert found is not None
    assert 0.08 < found[0] < better.differences["signs.score"].estimate.mean < found[1] < 0.42
    assert better.differences["exact_match.after"].over_questions is None
    content = content_of(results)
    signs, by_type, match = content.tables
    assert OVER in signs.heads
    assert not {OVER} & {*by_type.heads, *match.heads}
    entries = [row[signs.heads.index(OVER)] for row in signs.rows]
    assert entries[0].text == "\N{EN DASH}"
    assert entries[1].text.startswith("[+")
    assert entries[1].strong
    assert OVER_QUESTIONS in content.method


def test_progress_shows_the_score_of_a_benchmark(evaluated: Callable[..., Path], grids: Grids) -> None:
    evaluated()
    assert grids.run(TEXT) == []
    assert {row.metric for row in grids.rows} >= {0.5}


def test_cells_of_two_protocols_are_refused(evaluated: Callable[..., Path]) -> None:
    path = evaluated(template="{question}!")
    with pytest.raises(RunError, match=r"signs\.score: .* and .*seed 3 were evaluated by different .*template is"):
        collect(path)


def test_predictions_that_were_edited_fail_their_cell_alone(evaluated: Callable[..., Path]) -> None:
    path = evaluated()
    file = path / "cells" / "losses=global" / "seed-2" / "evaluation" / "signs" / "predictions.jsonl"
    file.write_text(file.read_text() + "\n")
    failed = [cell for cell in collect(path).cells if cell.state == "failed"]
    assert [(cell.label, cell.seed) for cell in failed] == [("losses=global", 2)]
    assert "was changed since it was scored" in str(failed[0].error)


def test_an_evaluation_that_is_not_there_was_not_measured(grids: Grids) -> None:
    grids.run(TEXT)
    results = collect(grids.folder.path)
    assert "signs.score" not in results.cells[0].metrics
    assert any("signs.score was not measured" in told for told in content_of(results).left_out)


EVALUATED = ("stages.tune.evaluation.signs.use=synthetic", "stages.tune.evaluation.signs.samples=1")


def test_a_stage_is_finished_once_it_is_evaluated(grids: Grids, evaluation: Evaluation) -> None:
    grids.run("")
    (cell,) = grids.folder.path.glob("cells/*/seed-*")
    assert grids.run("") == []
    assert grids.run("", *EVALUATED) == ["tune+global"]
    (row,) = grids.rows
    assert row.state == "failed"
    assert str(row.error).startswith("ended with code 0")
    evaluation(cell / "evaluation" / "signs", [1.0])
    assert grids.run("", *EVALUATED) == []
    assert [row.state for row in grids.rows] == ["finished"]
