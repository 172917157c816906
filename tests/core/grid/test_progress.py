"""How far cells are, read from what their stages wrote."""

from pathlib import Path
from typing import Any, TypeAlias

import pytest

from remgcl.core.grid.progress import TAIL, GridProgress, number

Grids: TypeAlias = Any
"""The class of the fixture, which no test can import."""

LOSSES = '[axes]\nlosses = [[], ["global"]]'


@pytest.fixture
def progress(grids: Grids) -> GridProgress:
    """How far a grid is of which nothing was trained."""
    held: GridProgress = grids.prepare(LOSSES).progress
    return held


def begin(progress: GridProgress, digest: str, metrics: str) -> Path:
    """Write the metrics of a stage that has begun."""
    unit = progress.plan.units[digest]
    folder = progress.folder.unit(digest, unit.stage).held
    folder.begin(unit.inputs)
    folder.metrics.write_text(metrics)
    return folder.metrics


def test_nothing_is_known_of_a_cell_that_waits(progress: GridProgress) -> None:
    for row in progress.rows():
        assert (row.state, row.stage, row.step, row.steps, row.losses) == ("waiting", "pretrain", 0, 3, {})
        assert (row.metric, row.left, row.error) == (None, None, None)
    assert not progress.folder.path.exists()


def test_a_stage_that_runs_tells_its_step_its_losses_and_the_time_left(progress: GridProgress) -> None:
    digest = next(iter(progress.plan.units))
    lines = '{"step": 1, "terms": {}}\n{"step": 2, "samples_per_second": 0.5, "terms": {"language": {"loss": 1.5}}}\n'
    begin(progress, digest, lines + '{"step": 3, "te')
    progress.running = {digest}
    for row in progress.rows():
        assert (row.state, row.step, row.losses) == ("running", 2, {"language": 1.5})
        assert row.left == (3 - 2) * 2 / 0.5


@pytest.mark.parametrize("metrics", ["", "{", "no json\n"])
def test_a_stage_that_has_told_nothing_yet_has_begun(progress: GridProgress, metrics: str) -> None:
    digest = next(iter(progress.plan.units))
    begin(progress, digest, metrics)
    progress.running = {digest}
    assert [(row.state, row.step, row.left) for row in progress.rows()] == [("running", 0, None)] * 2


def test_long_metrics_are_read_at_their_end_alone(progress: GridProgress) -> None:
    digest = next(iter(progress.plan.units))
    metrics = begin(progress, digest, f"{'x' * 2 * TAIL}\n" + '{"step": 2, "terms": {}}\n')
    assert metrics.stat().st_size > TAIL
    progress.running = {digest}
    assert progress.rows()[0].step == 2


def test_a_finished_cell_tells_its_metric(grids: Grids) -> None:
    grids.run(f'metrics = ["samples_per_second"]\n{LOSSES}')
    assert [(row.state, row.stage, row.metric, row.left) for row in grids.rows] == [("finished", "tune", 2.0, None)] * 2


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("seconds", 3.0),
        ("exact_match", 0.5),
        ("exact_match.before", 0.25),
        ("anls", 0.75),
        ("anls.before", 0.125),
        ("terms.language", 1.5),
        ("terms.language.first", 2.0),
        ("terms", None),
        ("terms.global", None),
        ("seconds.more", None),
        ("whole", None),
    ],
)
def test_a_metric_is_found_by_its_key(metric: str, value: float | None) -> None:
    terms = {"language": {"first": 2.0, "last": 1.5}}
    results = {"seconds": 3, "exact_match": {"before": 0.25, "after": 0.5}, "terms": terms, "whole": True}
    results["anls"] = {"held_out": 2, "before": 0.125, "after": 0.75}
    assert number(results, metric) == value
