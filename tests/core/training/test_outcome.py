"""What came out of a stage, for the run folder and for the reader."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from remgcl import Answered, Job, Recipe, RunFolder, Sample, Turn
from remgcl.core.evaluation.measure import Measure
from remgcl.core.training.outcome import outcome, report

PROGRESS: Any = SimpleNamespace(
    logged=[{"language": 4.0, "global": 1.0}, {"language": 3.0, "global": 0.75}, {"language": 2.0, "global": 0.5}],
    samples=96,
    seconds=12.0,
)

EXACT = Measure()


def _answered(*answers: str) -> list[Answered]:
    turns = (Turn("user", "What is written here?", image=True), Turn("assistant", "123"))
    return [Answered(Sample("one", turns, Image.new("RGB", (32, 32))), answer) for answer in answers]


@pytest.fixture
def job(read: Callable[..., Recipe], tmp_path: Path) -> Job:
    """A stage whose console writes into `tmp_path / "told.txt"`."""
    run = RunFolder(tmp_path)
    run.stage("first").begin({})
    console = Console(file=StringIO(), width=200)
    return Job(recipe=read(), name="first", run=run, start=None, inputs={}, console=console)


def _told(job: Job) -> str:
    file = job.console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_the_record_holds_first_and_last_terms_and_the_speed() -> None:
    record = outcome(PROGRESS, {"conversations cut": 3}, EXACT, None, [])
    assert record == {
        "terms": {"language": {"first": 4.0, "last": 2.0}, "global": {"first": 1.0, "last": 0.5}},
        "samples": 96,
        "seconds": 12.0,
        "samples_per_second": 8.0,
        "left_out": {"conversations cut": 3},
    }


def test_exact_match_is_recorded_before_and_after() -> None:
    record = outcome(PROGRESS, {}, EXACT, 0.25, _answered(" 123\n", "123", "12", "123"))
    assert record["exact_match"] == {"held_out": 4, "before": 0.25, "after": 0.75}


def test_the_table_shows_each_term_with_its_weight(job: Job) -> None:
    report(job, outcome(PROGRESS, {}, EXACT, None, []), [])
    rows = [line.split() for line in _told(job).splitlines()]
    assert ["│", "language", "│", "1", "│", "4.0000", "│", "2.0000", "│"] in rows
    assert ["│", "global", "│", "0.5", "│", "1.0000", "│", "0.5000", "│"] in rows
    assert "96 samples in 12 s: 8.0 samples/s" in _told(job)


def test_terms_that_were_logged_once_have_one_column(job: Job) -> None:
    once = SimpleNamespace(logged=[{"language": 4.0, "global": None}], samples=96, seconds=0.5)
    report(job, outcome(once, {}, EXACT, None, []), [])  # type: ignore[arg-type]
    rows = [line.split() for line in _told(job).splitlines()]
    assert ["┃", "term", "┃", "weight", "┃", "mean", "┃"] in rows
    assert ["│", "language", "│", "1", "│", "4.0000", "│"] in rows
    assert "96 samples in 0.5 s: 192.0 samples/s" in _told(job)
    assert "logged once, as logging_steps is 2; a smaller one shows how the terms change" in _told(job)


def test_only_what_was_left_out_is_told(job: Job) -> None:
    report(job, outcome(PROGRESS, {"conversations cut": 3, "samples replaced": 0}, EXACT, None, []), [])
    assert "conversations cut: 3" in _told(job)
    assert "samples replaced" not in _told(job)


def test_matches_are_told_as_shares_and_drawn(job: Job) -> None:
    after = _answered("123", "123", "12", "123")
    report(job, outcome(PROGRESS, {}, EXACT, 0.0, after), after)
    assert "exact match on 4 held-out samples: 0.0% before, 75.0% after" in _told(job)
    with Image.open(job.folder.pictures) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height
