"""A step of the quickstart with the three contrastive losses and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from attrs import frozen
from rich.console import Console

from bench.comparison import Row, alternate
from remgcl import Batch, Engine, Job, RunFolder
from remgcl.core.model import Model
from remgcl.core.objective import Objective

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.toml"
STAGE = "remgcl"


@frozen(eq=False, kw_only=True)
class Case:
    """A model in training, with losses and without.

    Attributes:
        batch: What it learns from.
        model: The model.
        with_losses: The language loss and the contrastive losses.
        without: The language loss alone.
        optimizer: Updates the model.
    """

    batch: Batch
    model: Model
    with_losses: Objective
    without: Objective
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
        """The step with losses and without."""
        return {"without": lambda: self.step(self.without), "with": lambda: self.step(self.with_losses)}


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
        with_losses=job.build_objective(model),
        without=Objective(model, {}),
        optimizer=torch.optim.AdamW(model.parameters(), lr=job.stage.learning_rate),
    )


def measure(case: Case, *, quick: bool) -> list[Row]:
    """Time both steps.

    Args:
        case: What to train.
        quick: Whether to time as little as possible.
    """
    times = alternate(case.ways, 2 if quick else 60, warm_up=1 if quick else 5)
    return [
        Row(
            what=f"step of the quickstart, {len(case.batch['ids'])} samples: without and with the three losses",
            naive=times["without"],
            ours=times["with"],
            goal=0.05,
            added=True,
            differences="naive: no contrastive loss",
        )
    ]
