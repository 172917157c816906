"""A step of the quickstart with the three contrastive losses and without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from attrs import frozen
from rich.console import Console

from bench.comparison import Row, alternate
from remgcl import Batch, Engine, Job, RunFolder
from remgcl.core.model.model import Model
from remgcl.core.model.objective import Objective

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.toml"
STAGE = "remgcl"


@frozen(eq=False, kw_only=True)
class Case:
    """A model in training, with losses and without.

    Attributes:
        batch: What it learns from.
        model: The model.
        objectives: The language loss alone, `without`; with the contrastive
            losses as they are by `default`; and as the `quickstart` has them,
            with windows of one patch and one token.
        optimizer: Updates the model.
    """

    batch: Batch
    model: Model
    objectives: dict[str, Objective]
    optimizer: torch.optim.Optimizer

    def step(self, objective: Objective) -> None:
        """Train on the batch once.

        Args:
            objective: With losses or without.
        """
        self.optimizer.zero_grad()
        total, _ = objective(self.batch)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    @property
    def ways(self) -> dict[str, Callable[[], None]]:
        """The step with each objective."""
        return {name: partial(self.step, objective) for name, objective in self.objectives.items()}


def make(*, quick: bool) -> Case:
    """Build the model of the quickstart, and a batch of its last stage.

    Args:
        quick: Whether to take a small batch.
    """
    engine = Engine.installed()
    recipe = engine.read(RECIPE)
    with TemporaryDirectory() as folder:
        job = Job(
            recipe=recipe,
            name=STAGE,
            run=RunFolder(Path(folder)),
            start=None,
            inputs={},
            console=Console(quiet=True),
        )
        examples, model = job.build_examples(), job.build_model()
    model.train()
    return Case(
        batch=job.collator([examples[i] for i in range(2 if quick else job.stage.batch_size)]),
        model=model,
        objectives={
            "without": Objective(model, {}),
            "default": Objective(model, {name: type(loss)() for name, loss in job.stage.losses.items()}),
            "quickstart": job.build_objective(model),
        },
        optimizer=torch.optim.AdamW(model.parameters(), lr=job.stage.learning_rate),
    )


def measure(case: Case, *, quick: bool) -> list[Row]:
    """Time both steps.

    Args:
        case: What to train.
        quick: Whether to time as little as possible.
    """
    times = alternate(case.ways, 2 if quick else 150, warm_up=1 if quick else 5)
    settings = {"default": "with their defaults", "quickstart": "with windows of one patch, one token"}
    return [
        Row(
            what=f"step of the quickstart, {len(case.batch['ids'])} samples: without and with the three losses, {told}",
            naive=times["without"],
            ours=times[name],
            goal=0.05,
            added=True,
            differences="naive: no contrastive loss",
        )
        for name, told in settings.items()
    ]
