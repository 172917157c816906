"""A training that is interrupted anywhere ends with the same bits as one that is not."""

import json
import random
import shutil
import signal
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve, frozen
from PIL import Image
from rich.console import Console

from remgcl import Dataset, Engine, Recipe, RunError, RunFolder, Sample, hookimpl
from remgcl.core.files import manifest
from remgcl.core.training import state
from remgcl.core.training.trainer import StageTrainer
from remgcl.plugins import backbones, datasets, losses, metrics, projectors, runners, templates, vision_towers
from remgcl.plugins.datasets.synthetic import Synthetic, SyntheticSamples

BUILT_IN = (backbones, datasets, losses, metrics, projectors, runners, templates, vision_towers)

RECIPE = """
name = "exact"
seed = 3
vision_tower = { use = "tiny", size = [32, 32], channels = [4, 8], strides = [[4, 4], [4, 4]] }
projector = "mlp2x_gelu"
backbone = { use = "tiny", width = 16, layers = 1, heads = 2, mlp = 24, max_length = 128 }
runner = { use = "local", cpu = true, threads = 1 }

[stages.tune]
template = { use = "v1", system = "" }
train = ["projector", "backbone", "vision_tower"]
max_length = 128
batch_size = 2
gradient_accumulation_steps = 2
epochs = 2
learning_rate = 1e-2
save_steps = 2
logging_steps = 4
data = { use = "augmented", samples = 10, size = 32, font = [8, 10] }
losses = { global = { learned = true }, refined-local = {} }

[stages.tune.validation]
data = { use = "synthetic", samples = 2, size = 32, font = [8, 10], split = "held_out" }
max_new_tokens = 2
pictures = 0
"""

STEPS = 6


@frozen(kw_only=True)
class Augmented(Synthetic):
    """Drawn samples with noise from every generator there is."""

    def build(self) -> SyntheticSamples:
        """Make the samples."""
        return AugmentedSamples(self)


class AugmentedSamples(SyntheticSamples):
    """Drawn samples, another picture each time."""

    def __getitem__(self, index: int) -> Sample:
        """Draw a sample and add noise."""
        sample = super().__getitem__(index)
        noise = random.random() + np.random.rand() + torch.rand(32, 32, 3).numpy()  # noqa: NPY002
        assert sample.image is not None
        return evolve(sample, image=Image.fromarray((np.asarray(sample.image) * noise / 3).astype(np.uint8)))


class Plugin:
    """Registers it."""

    @hookimpl
    def remgcl_register_datasets(self) -> Mapping[str, type[Dataset]]:
        """Name it."""
        return {"augmented": Augmented}


class Killed(BaseException):
    """Ends a training at once."""


class Training:
    """The recipe, run in folders of their own."""

    def __init__(self, path: Path) -> None:
        """Make an engine that knows the dataset."""
        self.path = path
        self.engine = Engine.of({**{module.__name__: module for module in BUILT_IN}, "augmented": Plugin()})
        (path / "exact.toml").write_text(RECIPE)

    def read(self, *overrides: str) -> Recipe:
        """Read the recipe."""
        return self.engine.read(self.path / "exact.toml", overrides)

    def run(self, folder: str, *overrides: str, restart: bool = False) -> str:
        """Run the recipe, and give what is told."""
        told = Console(file=StringIO(), width=300)
        self.engine.run(self.read(*overrides), RunFolder(self.path / folder), told, "exact.toml", restart=restart)
        assert isinstance(told.file, StringIO)
        return told.file.getvalue()

    def cut(self, folder: str, step: int, *overrides: str) -> None:
        """Run the recipe until a step, and end as if killed."""
        training_step = StageTrainer.training_step

        def kill(trainer: StageTrainer, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
            if trainer.state.global_step == step:
                raise Killed
            return training_step(trainer, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(StageTrainer, "training_step", kill)
            with pytest.raises(Killed):
                self.run(folder, *overrides)

    def stage(self, folder: str) -> Path:
        """Name the folder of the stage."""
        return self.path / folder / "tune"

    def outcome(self, folder: str) -> tuple[dict[str, bytes], list[dict[str, Any]], dict[str, Any]]:
        """Give all that was learned, the metrics and the results, without the speed."""
        stage = self.stage(folder)
        files = {path.name: path.read_bytes() for path in stage.rglob("*.safetensors") if "step-" not in str(path)}
        lines = [json.loads(line) for line in (stage / "metrics.jsonl").read_text().splitlines()]
        results = json.loads((stage / "stage.json").read_text())["results"]
        for each in (*lines, results):
            each.pop("samples_per_second")
        results.pop("seconds")
        return files, lines, results


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training that ran without an interruption in the folder `whole`."""
    made = Training(tmp_path_factory.mktemp("training"))
    made.run("whole")
    return made


def test_a_whole_training_is_what_the_tests_take_it_for(training: Training) -> None:
    files, lines, results = training.outcome("whole")
    assert files.keys() == {f"{name}.safetensors" for name in ("backbone", "projector", "vision_tower", "global")}
    assert [line["step"] for line in lines] == [4, 6]
    assert results["samples"] == 20
    assert [path.name for path in (training.stage("whole") / "checkpoints").iterdir()] == ["step-00000006"]


@pytest.mark.parametrize(
    ("step", "overrides"),
    [
        (1, ()),  # before the first checkpoint
        (2, ()),  # in the midst of an epoch
        (3, ("stages.tune.save_steps=3",)),  # at the end of an epoch
        (5, ("stages.tune.save_steps=3",)),
        (5, ()),  # in the midst of what is averaged for a line
        (5, ("stages.tune.num_workers=2",)),
    ],
)
def test_a_training_that_is_cut_ends_with_the_same_bits(
    training: Training, request: pytest.FixtureRequest, step: int, overrides: tuple[str, ...]
) -> None:
    """Also with other workers than the whole one had, and with steps that hold two batches or one."""
    folder = request.node.name
    training.cut(folder, step, *overrides)
    told = training.run(folder, *overrides)
    assert ("resumes from step" in told) is (step > 1)
    assert training.outcome(folder) == training.outcome("whole")


def test_a_training_without_accumulation_that_is_cut_twice_ends_with_the_same_bits(training: Training) -> None:
    plain = ("stages.tune.gradient_accumulation_steps=1", "stages.tune.save_steps=3", "stages.tune.logging_steps=1")
    training.run("plain", *plain)
    training.cut("twice", 4, *plain)
    training.cut("twice", 8, *plain)
    assert "resumes from step 6" in training.run("twice", *plain)
    assert training.outcome("twice") == training.outcome("plain")


def test_metrics_of_an_attempt_that_left_no_checkpoint_are_forgotten(training: Training) -> None:
    every = "stages.tune.logging_steps=1"
    training.cut("none", 2, every, "stages.tune.save_steps=4")
    assert len((training.stage("none") / "metrics.jsonl").read_text().splitlines()) == 2
    training.run("none", every, "stages.tune.save_steps=4")
    _, lines, _ = training.outcome("none")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_held_out_samples_are_answered_once_before_the_training(
    training: Training,
) -> None:
    training.cut("asked", 3)
    file = training.stage("asked") / "before.json"
    file.write_text('{"exact_match": 0.125}')
    training.run("asked")
    assert training.outcome("asked")[2]["exact_match"]["before"] == 0.125


def test_what_another_metric_measured_before_the_training_is_kept_too(training: Training) -> None:
    by = "stages.tune.validation.metric=anls"
    training.cut("similar", 3, by)
    file = training.stage("similar") / "before.json"
    assert json.loads(file.read_text()).keys() == {"anls"}
    file.write_text('{"anls": 0.125}')
    assert "anls on 2 held-out samples: 12.5% before, " in training.run("similar", by)
    files, lines, results = training.outcome("similar")
    assert (results["anls"]["held_out"], results["anls"]["before"]) == (2, 0.125)
    assert "exact_match" not in results
    whole_files, whole_lines, whole_results = training.outcome("whole")
    assert (files, lines) == (whole_files, whole_lines)  # a metric changes nothing of the training
    assert results.keys() - {"anls"} == whole_results.keys() - {"exact_match"}


def test_a_training_is_not_resumed_with_another_metric(training: Training) -> None:
    training.cut("changed", 3)
    with pytest.raises(RunError, match=r"another recipe: stages\.tune\.validation\.metric\.threshold was None"):
        training.run("changed", "stages.tune.validation.metric=anls")


@pytest.fixture
def cut(training: Training, request: pytest.FixtureRequest) -> str:
    """The name of a folder with a training that was cut at step 5, with checkpoints of steps 2 and 4."""
    training.cut(request.node.name, 5, "stages.tune.save_total_limit=3")
    return str(request.node.name)


def test_a_broken_checkpoint_is_left_for_an_older_one_and_that_is_told(training: Training, cut: str) -> None:
    newest = training.stage(cut) / "checkpoints" / "step-00000004"
    whole = bytearray((newest / "objective.safetensors").read_bytes())
    whole[-1] ^= 1
    (newest / "objective.safetensors").write_bytes(whole)
    told = training.run(cut, "stages.tune.save_total_limit=3")
    assert f"{newest}: is left; objective.safetensors has changed since it was written" in told
    assert "resumes from step 2" in told
    assert training.outcome(cut) == training.outcome("whole")


def test_without_a_valid_checkpoint_the_training_begins_anew_and_that_is_told(training: Training, cut: str) -> None:
    for checkpoint in (training.stage(cut) / "checkpoints").iterdir():
        (checkpoint / "manifest.json").unlink()
    told = training.run(cut, "stages.tune.save_total_limit=3")
    assert told.count("is left; there is no manifest.json") == 2
    assert "resumes" not in told
    assert training.outcome(cut) == training.outcome("whole")


def test_a_checkpoint_of_another_run_is_left_and_that_is_told(training: Training, cut: str) -> None:
    own, other = (training.stage(folder) / "checkpoints" / "step-00000006" for folder in (cut, "whole"))
    shutil.copytree(other, own)
    told = training.run(cut, "stages.tune.save_total_limit=3")
    assert f"{own}: is left; run is " in told
    assert "resumes from step 4" in told
    assert training.outcome(cut) == training.outcome("whole")


def test_a_checkpoint_of_more_ranks_is_refused(training: Training, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = state.load
    monkeypatch.setattr(
        state, "load", lambda folder, name: load(folder, name) | ({"ranks": 2} if name == "training" else {})
    )
    with pytest.raises(
        RunError,
        match=r"step-00000004: was written by 2 ranks; there are 1 now; run it on as many as before, or start the "
        r"stage over with --restart",
    ):
        training.run(cut, "stages.tune.save_total_limit=3")


def test_another_recipe_is_refused_and_to_restart_begins_anew(training: Training, cut: str) -> None:
    with pytest.raises(
        RunError, match=r"begun with another recipe: stages\.tune\.save_total_limit was 3 and is 1; .*--restart"
    ):
        training.run(cut)
    told = training.run(cut, restart=True)
    assert "resumes" not in told
    assert training.outcome(cut) == training.outcome("whole")


@pytest.mark.parametrize(
    "broken", [(state, "save_file"), (manifest, "sync"), (Path, "rename")], ids=lambda each: each[1]
)
def test_a_full_disk_ends_the_training_and_the_same_command_goes_on(
    training: Training, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, broken: tuple[object, str]
) -> None:
    folder = request.node.name
    training.cut(folder, 3)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*broken, fail)
        with pytest.raises(RunError, match=r"no checkpoint could be written; no space left on device; the last one is"):
            training.run(folder)
    assert [path.name for path in (training.stage(folder) / "checkpoints").iterdir()] == ["step-00000002"]
    assert "resumes from step 2" in training.run(folder)
    assert training.outcome(folder) == training.outcome("whole")


def test_checkpoints_are_written_as_often_and_kept_as_long_as_the_stage_says(training: Training) -> None:
    training.run("kept", "stages.tune.save_total_limit=2")
    kept = (training.stage("kept") / "checkpoints").iterdir()
    assert sorted(path.name for path in kept) == ["step-00000004", "step-00000006"]


def test_a_training_that_is_asked_to_end_in_its_last_step_ends_well_when_it_is_run_again(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_step = StageTrainer.training_step

    def ask(trainer: StageTrainer, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
        if trainer.state.global_step == STEPS - 1 and not asked:
            asked.append(True)
            signal.raise_signal(signal.SIGTERM)
        return training_step(trainer, *args, **kwargs)

    asked: list[bool] = []
    monkeypatch.setattr(StageTrainer, "training_step", ask)
    with pytest.raises(RunError, match=r"stage 'tune': interrupted at step 6; run it again to resume"):
        training.run("last")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    training.run("last")
    assert training.outcome("last") == training.outcome("whole")
