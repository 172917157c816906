"""Terms averaged between log steps, shown and written down."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from remgcl import Job, Recipe, StageFolder
from remgcl.plugins.runners.progress import Progress


@pytest.fixture
def told() -> StringIO:
    """What is printed."""
    return StringIO()


@pytest.fixture
def progress(read: Callable[..., Recipe], tmp_path: Path, told: StringIO) -> Progress:
    """A progress that has begun, of 40 steps."""
    folder = StageFolder(tmp_path / "first")
    folder.begin()
    console = Console(file=told, width=200)
    made = Progress(Job(recipe=read(), name="first", folder=folder, start=None, inputs={}, console=console))
    made.on_train_begin(None, SimpleNamespace(max_steps=40), None)
    return made


def _log(progress: Progress, step: int) -> None:
    state = SimpleNamespace(max_steps=40, global_step=step, epoch=step / 40)
    progress.on_step_end(None, state, None)
    progress.on_log(None, state, None, logs={"learning_rate": 0.5, "grad_norm": 2.0})


def test_terms_are_means_over_the_batches_since_the_last_log_step(progress: Progress) -> None:
    for value in (1.0, 2.0, 6.0):
        progress.add({"language": torch.tensor(value)}, 4)
    _log(progress, 3)
    progress.add({"language": torch.tensor(5.0)}, 4)
    _log(progress, 4)
    assert [logged["language"] for logged in progress.logged] == [3.0, 5.0]
    assert progress.samples == 16


def test_what_is_logged_is_a_line_of_json(progress: Progress, tmp_path: Path) -> None:
    progress.add({"language": torch.tensor(1.5), "global": torch.tensor(-0.5)}, 4)
    _log(progress, 10)
    (line,) = (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()
    read = json.loads(line)
    assert read.pop("samples_per_second") > 0
    assert read == {
        "step": 10,
        "epoch": 0.25,
        "learning_rate": 0.5,
        "gradient_norm": 2.0,
        "language": 1.5,
        "global": -0.5,
    }


def test_a_log_step_without_a_batch_says_nothing(progress: Progress, tmp_path: Path, told: StringIO) -> None:
    _log(progress, 4)
    assert progress.logged == []
    assert not (tmp_path / "first" / "metrics.jsonl").exists()
    assert told.getvalue() == ""


def test_without_a_terminal_a_line_is_printed_for_each_tenth(progress: Progress, told: StringIO) -> None:
    for step in range(1, 41):
        progress.add({"language": torch.tensor(1.0)}, 4)
        _log(progress, step)
    lines = told.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == [f"{step}/40" for step in range(4, 41, 4)]
    assert all("language 1.000" in line and "samples/s" in line for line in lines)


def test_on_a_terminal_a_bar_shows_steps_and_terms(read: Callable[..., Recipe], tmp_path: Path, told: StringIO) -> None:
    folder = StageFolder(tmp_path / "first")
    folder.begin()
    console = Console(file=told, width=160, force_terminal=True)
    bar = Progress(Job(recipe=read(), name="first", folder=folder, start=None, inputs={}, console=console))
    bar.on_train_begin(None, SimpleNamespace(max_steps=40), None)
    bar.add({"language": torch.tensor(1.25)}, 4)
    _log(bar, 20)
    bar.on_train_end(None, None, None)
    assert "20/40" in told.getvalue()
    assert "language 1.250" in told.getvalue()
