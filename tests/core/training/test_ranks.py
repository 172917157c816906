"""Processes of one stage: what a rank writes down when it ends, and what the launching process makes of it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from remgcl import Job, Recipe, RunError, RunFolder
from remgcl.training import as_rank, launch_ranks

RANK = """
import sys
from pathlib import Path
from remgcl import RunError, RunFolder
from remgcl.core.training.ranks import as_rank

run, rank, how = sys.argv[1:]
with as_rank(RunFolder(Path(run)).stage("first"), int(rank)):
    if how == "refuses":
        raise RunError("no space left")
    if how == "breaks":
        raise KeyError("a key")
"""


@pytest.fixture
def job(read: Callable[..., Recipe], tmp_path: Path) -> Job:
    """A stage that was begun."""
    run = RunFolder(tmp_path / "run")
    run.stage("first").begin({})
    return Job(recipe=read(), name="first", run=run, start=None, inputs={}, console=Console(quiet=True))


def command(job: Job, how: str) -> list[str]:
    return [sys.executable, "-c", RANK, str(job.run.path), "1", how]


@pytest.mark.parametrize(
    ("how", "told"), [("refuses", "rank 1: no space left"), ("breaks", "rank 1: KeyError: 'a key'")]
)
def test_the_error_of_a_rank_is_the_error_of_the_run(job: Job, how: str, told: str) -> None:
    with pytest.raises(RunError) as raised:
        launch_ranks(job, command(job, how))
    assert str(raised.value) == told
    assert list((job.folder.path / "ranks").glob("*.pid")) == []


def test_ranks_that_end_well_leave_nothing(job: Job) -> None:
    launch_ranks(job, command(job, "ends"))
    assert list((job.folder.path / "ranks").iterdir()) == []


def test_a_launcher_that_fails_by_itself_is_named(job: Job) -> None:
    with pytest.raises(RunError, match="stage 'first': torchrun ended with code 7; see its output"):
        launch_ranks(job, [sys.executable, "-c", "raise SystemExit(7)"], launcher="torchrun")


def test_variables_are_those_that_are_given(job: Job) -> None:
    own = {**os.environ, "REMGCL_GIVEN": "3"}
    launch_ranks(job, [sys.executable, "-c", "import os; assert os.environ['REMGCL_GIVEN'] == '3'"], own)


def test_only_rank_0_prints(job: Job) -> None:
    (job.folder.path / "ranks").mkdir()
    with as_rank(job.folder, 0) as first, as_rank(job.folder, 1) as second:
        assert (first.number, first.console.quiet) == (0, False)
        assert (second.number, second.console.quiet) == (1, True)
