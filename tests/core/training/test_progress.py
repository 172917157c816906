"""Terms averaged between log steps, shown and written down."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from remgcl import GradientNorms, Job, Recipe, RunFolder
from remgcl.core.training.progress import Progress

BEGIN = SimpleNamespace(max_steps=40, global_step=0, is_world_process_zero=True)


@pytest.fixture
def told() -> StringIO:
    """What is printed."""
    return StringIO()


@pytest.fixture
def progress(read: Callable[..., Recipe], tmp_path: Path, told: StringIO) -> Progress:
    """A progress that has begun, of 40 steps."""
    run = RunFolder(tmp_path)
    run.stage("first").begin({})
    console = Console(file=told, width=200)
    made = Progress(
        Job(recipe=read("runner.trackers=[]"), name="first", run=run, start=None, inputs={}, console=console)
    )
    made.on_train_begin(None, BEGIN, None)
    return made


def _log(progress: Progress, step: int, *, stops: bool = False, first: bool = True) -> None:
    state = SimpleNamespace(
        max_steps=40, global_step=step, epoch=step / 40, log_history=[{}], is_world_process_zero=first
    )
    control = SimpleNamespace(should_training_stop=stops)
    progress.on_step_end(None, state, control)
    progress.on_log(None, state, control, logs={"learning_rate": 0.5, "grad_norm": 2.0})


def _term(loss: float, count: float = 1.0, **told: float) -> dict[str, torch.Tensor]:
    return {key: torch.tensor(value) for key, value in {"loss": loss, "count": count, **told}.items()}


def test_terms_are_means_over_what_the_batches_since_the_last_log_step_count(progress: Progress) -> None:
    for loss, count in ((1.0, 1.0), (2.0, 3.0), (0.0, 0.0)):
        progress.add({"language": _term(loss, count), "global": _term(0.0, 0.0)}, 4)
    _log(progress, 3)
    progress.add({"language": _term(5.0, 7.0), "global": _term(4.0, 1.0)}, 4)
    _log(progress, 4)
    assert progress.logged == [{"language": 1.75, "global": None}, {"language": 5.0, "global": 4.0}]
    assert progress.samples == 16


def test_a_term_that_is_no_number_is_left_out_of_the_mean(progress: Progress, tmp_path: Path) -> None:
    """As its step is skipped; and JSON knows no NaN."""
    for loss in (1.0, float("nan"), float("inf"), 3.0):
        progress.add({"language": _term(loss, 2.0)}, 4)
    _log(progress, 4)
    assert progress.logged == [{"language": 2.0}]
    assert "NaN" not in (tmp_path / "first" / "metrics.jsonl").read_text()


def test_what_is_logged_is_a_line_of_json(progress: Progress, tmp_path: Path) -> None:
    progress.add({"language": _term(1.5), "global": _term(-0.5)}, 4)
    _log(progress, 10)
    (line,) = (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()
    read = json.loads(line)
    assert read.pop("samples_per_second") > 0
    assert read == {
        "step": 10,
        "epoch": 0.25,
        "learning_rate": 0.5,
        "gradient_norm": 2.0,
        "terms": {"language": {"loss": 1.5, "weight": 1.0}, "global": {"loss": -0.5, "weight": 0.5}},
    }


def _terms(progress: Progress, tmp_path: Path, step: int) -> dict[str, dict[str, float]]:
    _log(progress, step)
    line = json.loads((tmp_path / "first" / "metrics.jsonl").read_text().splitlines()[-1])
    return dict(line["terms"])


def test_a_diagnosis_is_that_of_the_last_batch_that_had_one(progress: Progress, tmp_path: Path) -> None:
    progress.add({"global": _term(1.0, **{"retrieval@1": 0.25})}, 4)
    progress.add({"global": _term(1.0, **{"retrieval@1": 0.75, "cosine": -0.5})}, 4)
    told = _terms(progress, tmp_path, 10)
    assert told == {"global": {"loss": 1.0, "weight": 0.5, "retrieval@1": 0.75, "cosine": -0.5}}
    progress.add({"global": _term(1.0)}, 4)
    assert _terms(progress, tmp_path, 20) == {"global": {"loss": 1.0, "weight": 0.5}}


def test_shares_of_the_gradient_are_written_where_they_were_measured(progress: Progress, tmp_path: Path) -> None:
    terms = {"language": _term(1.0), "global": _term(1.0), "refined-local": _term(1.0)}
    norms = GradientNorms()
    norms.squares.update({"language": torch.tensor(9.0), "global": torch.tensor(1.0)})
    progress.add(terms, 4)
    progress.norms = norms
    told = _terms(progress, tmp_path, 10)
    assert {name: term["gradient_share"] for name, term in told.items()} == {
        "language": 0.75,
        "global": 0.25,
        "refined-local": 0.0,  # its sides are frozen
    }
    progress.add(terms, 4)
    assert not any("gradient_share" in term for term in _terms(progress, tmp_path, 20).values())


def test_the_weight_that_is_logged_is_that_of_the_last_step(
    read: Callable[..., Recipe], tmp_path: Path, told: StringIO
) -> None:
    run = RunFolder(tmp_path)
    run.stage("first").begin({})
    recipe = read("stages.first.losses.global.schedule=linear")
    job = Job(recipe=recipe, name="first", run=run, start=None, inputs={}, console=Console(file=told))
    progress = Progress(job)
    progress.add({"global": _term(1.0)}, 4)
    assert _terms(progress, tmp_path, 1)["global"]["weight"] == 0.5  # the first step is at the beginning of the stage
    progress.add({"global": _term(1.0)}, 4)
    assert _terms(progress, tmp_path, 31)["global"]["weight"] == pytest.approx(0.5 / 4)


def test_a_log_step_without_a_batch_says_nothing(progress: Progress, tmp_path: Path, told: StringIO) -> None:
    _log(progress, 4)
    assert progress.logged == []
    assert not (tmp_path / "first" / "metrics.jsonl").exists()
    assert told.getvalue() == ""


def test_an_interruption_between_two_log_steps_logs_nothing_and_the_next_line_holds_all(
    progress: Progress, tmp_path: Path
) -> None:
    """So the lines are those of a training without it."""
    progress.add({"language": _term(1.0)}, 4)
    _log(progress, 11, stops=True)
    assert not (tmp_path / "first" / "metrics.jsonl").exists()
    resumed = Progress(progress._job)
    resumed.resume(progress.state())
    resumed.add({"language": _term(2.0)}, 4)
    _log(resumed, 12, stops=True)  # this one is a log step anyway
    assert resumed.logged == [{"language": 1.5}]
    assert resumed.samples == 8


def test_what_is_resumed_goes_on_as_if_nothing_had_happened(progress: Progress, tmp_path: Path) -> None:
    file = tmp_path / "first" / "metrics.jsonl"
    for step in (2, 4):
        progress.add({"language": _term(float(step))}, 4)
        _log(progress, step)
    kept, state = file.read_text(), progress.state()
    for step in (6, 8):
        progress.add({"language": _term(float(step))}, 4)
        _log(progress, step)
    assert len(file.read_text().splitlines()) == 4
    resumed = Progress(progress._job)
    resumed.resume(state)
    resumed.on_train_begin(None, BEGIN, None)
    assert file.read_text() == kept
    assert resumed.logged == [{"language": 2.0}, {"language": 4.0}]
    assert resumed.samples == 8
    assert resumed.state() == state


def test_other_ranks_write_no_metrics(progress: Progress, tmp_path: Path) -> None:
    progress.add({"language": _term(1.0)}, 4)
    _log(progress, 2, first=False)
    assert progress.logged == [{"language": 1.0}]
    assert not (tmp_path / "first" / "metrics.jsonl").exists()
    (tmp_path / "first" / "metrics.jsonl").write_text('{"step": 4}\n')
    progress.resume(progress.state())
    progress.on_train_begin(None, SimpleNamespace(max_steps=40, global_step=2, is_world_process_zero=False), None)
    assert (tmp_path / "first" / "metrics.jsonl").read_text() == '{"step": 4}\n'


def test_without_a_terminal_a_line_is_printed_for_each_tenth(progress: Progress, told: StringIO) -> None:
    for step in range(1, 41):
        progress.add({"language": _term(1.0)}, 4)
        _log(progress, step)
    lines = told.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == [f"{step}/40" for step in range(4, 41, 4)]
    assert all("language 1.000" in line and "samples/s" in line for line in lines)


def test_on_a_terminal_a_bar_shows_steps_and_terms(read: Callable[..., Recipe], tmp_path: Path, told: StringIO) -> None:
    run = RunFolder(tmp_path)
    run.stage("first").begin({})
    console = Console(file=told, width=160, force_terminal=True)
    bar = Progress(
        Job(recipe=read("runner.trackers=[]"), name="first", run=run, start=None, inputs={}, console=console)
    )
    bar.on_train_begin(None, BEGIN, None)
    bar.add({"language": _term(1.25)}, 4)
    _log(bar, 20)
    bar.on_train_end(None, None, None)
    assert "20/40" in told.getvalue()
    assert "language 1.250" in told.getvalue()


def test_a_loss_without_pairs_is_a_dash_and_is_told_once(progress: Progress, tmp_path: Path) -> None:
    for step in (1, 4):
        seen = {**_term(0.0, 4.0), "pairs": torch.tensor(0.0), "retrieval@1": torch.tensor(0.0)}
        progress.add({"language": _term(1.0), "global": seen}, 4)
        _log(progress, step)
    lines = [json.loads(line) for line in (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()]
    assert [line["terms"]["global"] for line in lines] == [
        {"loss": None, "weight": 0.5, "pairs": 0.0, "retrieval@1": None}
    ] * 2
    printed = progress._job.console.file.getvalue()  # type: ignore[attr-defined]
    assert "language 1.000  global -  " in printed
    assert printed.count("loss 'global' has had no pair up to step 1, so it trains nothing") == 1


def test_a_last_batch_without_pairs_hides_no_loss_of_the_batches_before_it(progress: Progress, tmp_path: Path) -> None:
    """Only the last batch since a log step is diagnosed; the loss is a mean over all of them."""
    progress.add({"language": _term(1.0), "global": _term(2.0, 4.0)}, 4)
    none = {**_term(0.0, 1.0), "pairs": torch.tensor(0.0), "retrieval@1": torch.tensor(0.0)}
    progress.add({"language": _term(1.0), "global": none}, 4)
    _log(progress, 4)
    (line,) = (tmp_path / "first" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["terms"]["global"] == {"loss": 1.6, "weight": 0.5, "pairs": 0.0, "retrieval@1": None}


def test_a_loss_that_has_seen_pairs_is_not_said_to_train_nothing(progress: Progress) -> None:
    for step, count in ((4, 2.0), (8, 0.0)):
        progress.add({"language": _term(1.0), "global": _term(1.0, count)}, 4)
        _log(progress, step)
    assert progress.logged[-1]["global"] is None
    assert "has had no pair" not in progress._job.console.file.getvalue()  # type: ignore[attr-defined]
