"""Numbers that are none: whoever makes them is named, and no parameter sees them."""

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from attrs import frozen
from rich.console import Console
from torch import Tensor
from transformers import TrainerCallback

from remgcl import Engine, Features, Job, Loss, RunError, RunFolder, hookimpl
from remgcl.core.training.arguments import arguments
from remgcl.core.training.sampler import Order
from remgcl.core.training.trainer import StageTrainer
from remgcl.plugins import backbones, datasets, losses, projectors, runners, templates, vision_towers

BUILT_IN = (backbones, datasets, losses, projectors, runners, templates, vision_towers)

FAULTS = {
    "nan": f"the objective is not finite: broken ({__name__}.Broken) is nan",
    "inf": f"the objective is not finite: broken ({__name__}.Broken) is inf",
    "gradient": f"the gradient of broken ({__name__}.Broken) is not finite",
}


@frozen(kw_only=True)
class Broken(Loss):
    """Zero, but for some images; there it is no number, or its gradient is none."""

    keys: ClassVar[set[int]] = set()
    how: Literal["nan", "inf", "gradient"] = "nan"

    def __call__(self, features: Features) -> Tensor:
        """Compute it."""
        if not any(int(key) in self.keys for key in features.image_key):
            return features.zero()
        if self.how == "gradient":
            return (features.patches.sum() * 0).square().sqrt()
        return features.zero() + float(self.how)


class Plugin:
    """Registers it."""

    @hookimpl
    def remgcl_register_losses(self) -> Mapping[str, type[Loss]]:
        """Name it."""
        return {"broken": Broken}


class Watching(TrainerCallback):
    """Remembers what was learned before and after each step."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.before: list[dict[str, Tensor]] = []
        self.after: list[dict[str, Tensor]] = []

    def on_step_begin(self, *_: object, model: Any, **__: object) -> None:  # noqa: ANN401 - the signature of transformers
        """Copy it."""
        self.before.append(_copied(model))

    def on_step_end(self, *_: object, model: Any, **__: object) -> None:  # noqa: ANN401 - the signature of transformers
        """Copy it."""
        self.after.append(_copied(model))


def _copied(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@frozen
class Training:
    """A stage of 8 samples, two a batch, in which some are broken."""

    trainer: StageTrainer
    watching: Watching
    order: list[str]

    @property
    def told(self) -> str:
        """What was printed."""
        file = self.trainer.job.console.file
        assert isinstance(file, StringIO)
        return file.getvalue()

    @property
    def changed(self) -> list[bool]:
        """Whether each step changed anything."""
        pairs = zip(self.watching.before, self.watching.after, strict=True)
        return [not _same(before, after) for before, after in pairs]


@pytest.fixture
def make(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Training]:
    """Make the training; the samples at some places of its order are broken."""
    path = tmp_path / "small.toml"
    path.write_text(small)
    engine = Engine.of({**{module.__name__: module for module in BUILT_IN}, "broken": Plugin()})

    def make(how: str, broken: tuple[int, ...], *overrides: str) -> Training:
        recipe = engine.read(
            path,
            [
                f'stages.first.losses={{broken = {{how = "{how}"}}, global = {{}}}}',
                "stages.first.batch_size=2",
                "stages.first.data.samples=8",
                "stages.first.learning_rate=0.01",
                *overrides,
            ],
        )
        run = RunFolder(tmp_path / "run")
        run.stage("first").begin({})
        console = Console(file=StringIO(), width=300)
        job = Job(recipe=recipe, name="first", run=run, start=None, inputs={}, console=console)
        examples = job.build_examples()
        order = list(Order(job, 2, examples.samples))
        images = [examples[place].image for place in order]
        monkeypatch.setattr(Broken, "keys", {image.key for at, image in enumerate(images) if image and at in broken})
        trainer = StageTrainer(job, job.build_objective(job.build_model()), arguments(job, cpu=True))
        watching = Watching()
        trainer.add_callback(watching)
        return Training(trainer, watching, [examples.samples[place].id for place in order])

    return make


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_run_stops_with_term_and_samples_and_no_parameter_changes(
    make: Callable[..., Training], how: str, accumulation: int
) -> None:
    training = make(how, (6,), f"stages.first.gradient_accumulation_steps={accumulation}")
    with pytest.raises(RunError) as raised:
        training.trainer.train()
    step = 3 if accumulation == 1 else 1
    named = ", ".join(training.order[6:8])
    assert str(raised.value) == f"stage 'first': step {step}: {FAULTS[how]}; samples {named}; no parameter was changed"
    assert len(training.watching.before) == step + 1
    assert _same(training.watching.before[-1], _copied(training.trainer.model))
    assert all(tensor.isfinite().all() for tensor in _copied(training.trainer.model).values())


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_step_is_skipped_counted_and_told_where_the_stage_says_so(
    make: Callable[..., Training], how: str, accumulation: int
) -> None:
    settings = ("stages.first.non_finite=skip", f"stages.first.gradient_accumulation_steps={accumulation}")
    training = make(how, (2,), *settings)
    training.trainer.train()
    named = ", ".join(training.order[2:4])
    step = 1 if accumulation == 1 else 0
    assert f"stage 'first': step {step}: {FAULTS[how]}; samples {named}; the step is skipped" in training.told
    assert training.trainer.guard.skipped == 1
    skipped = [not changed for changed in training.changed]
    assert skipped[step]
    assert not any(skipped[step + 1 :])
    assert all(tensor.isfinite().all() for tensor in _copied(training.trainer.model).values())


def test_so_many_steps_are_skipped_and_the_next_one_stops_the_run(make: Callable[..., Training]) -> None:
    training = make("nan", (0, 2, 6), "stages.first.non_finite=skip", "stages.first.max_skipped=2")
    with pytest.raises(
        RunError, match=r"step 3: .*broken \(.*\.Broken\) is nan; samples .*; 2 steps were skipped before"
    ):
        training.trainer.train()
    assert training.told.count("the step is skipped") == 2


def test_a_training_of_numbers_is_left_alone(make: Callable[..., Training]) -> None:
    training = make("nan", (), "stages.first.non_finite=skip")
    training.trainer.train()
    assert training.trainer.guard.skipped == 0
    assert "skipped" not in training.told
