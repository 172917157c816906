"""The loss keeps the contract of its kind, and what it learns survives interruptions and stages."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from remgcl import Engine, Job, RunFolder
from remgcl.testing import conformance
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor, nn

from remgcl_projection_head import ProjectionHead

TestProjectionHead = conformance(ProjectionHead())

RECIPE = Path(__file__).parents[1] / "recipe.toml"

SECOND = """
[stages.second]
after = "train"
template = "plain"
train = ["projector"]
batch_size = 8
learning_rate = 2e-3
data = { use = "synthetic", samples = 16, length = 1, size = 32, font = [12, 16] }
losses = { projection-head = {} }
"""


class Killed(KeyboardInterrupt):
    """Ends a training at once; what a part raises besides is reported as its fault."""


def run(recipe: Path, folder: Path) -> None:
    """Train, on one thread, with a checkpoint every third step."""
    engine = Engine.installed()
    read = engine.read(recipe, ["runner.threads=1", "stages.train.save_steps=3"])
    engine.run(read, RunFolder(folder), Console(file=StringIO()), recipe.name)


def kill(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the training end after some steps, as if killed."""
    count, called = nn.Module.__call__, [0]

    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any module
        called[0] += hasattr(self, "log_scale")
        if called[0] > step:
            raise Killed
        return count(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", call)


def outcome(folder: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Return all that was learned, and the log without the speed."""
    stage = folder / "train"
    files = {path.name: path.read_bytes() for path in [*stage.glob("model/*"), *stage.glob("losses/*")]}
    lines = [json.loads(line) for line in (stage / "metrics.jsonl").read_text().splitlines()]
    return files, [{key: line[key] for key in line if key != "samples_per_second"} for line in lines]


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    run(RECIPE, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        kill(patch, step=5)
        with pytest.raises(Killed):
            run(RECIPE, tmp_path / "cut")
    assert not (tmp_path / "cut" / "train" / "stage.json").exists()
    run(RECIPE, tmp_path / "cut")
    files, lines = outcome(tmp_path / "whole")
    assert "projection-head.safetensors" in files
    assert len(lines) == 4
    assert outcome(tmp_path / "cut") == (files, lines)


def test_a_later_stage_goes_on_with_what_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: dict[str, dict[str, Tensor]] = {}
    build = Job.build_objective

    def seen(job: Job, model: Any) -> Any:  # noqa: ANN401 - a model
        objective = build(job, model)
        learned = objective.learned["projection-head"].state_dict()
        begun[job.name] = {name: tensor.clone() for name, tensor in learned.items()}
        return objective

    monkeypatch.setattr(Job, "build_objective", seen)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.read_text() + SECOND)
    run(recipe, tmp_path / "run")
    saved = {name: load_file(RunFolder(tmp_path / "run").stage(name).loss("projection-head")) for name in begun}
    assert list(saved) == ["train", "second"]
    for name, tensor in saved["train"].items():
        assert not tensor.equal(begun["train"][name]), f"{name} did not learn"
        assert tensor.equal(begun["second"][name]), f"{name} was not taken over"
        assert not tensor.equal(saved["second"][name]), f"{name} did not learn on"
