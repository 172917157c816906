"""Runs and models made on the spot, with random weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
import torch
from rich.console import Console

from remgcl import Engine, Job, Recipe, RunFolder
from remgcl.core.recipe.recipe import PARTS

Read = Callable[..., Recipe]


@pytest.fixture
def make_run(tmp_path: Path, engine: Engine, read: Read) -> Callable[..., RunFolder]:
    """Write a run whose stages are finished, each with weights of its own; give its folder."""

    def make(*stages: str, overrides: tuple[str, ...] = ()) -> RunFolder:
        recipe, run = read(*overrides), RunFolder(tmp_path / "runs" / "small")
        run.describe(tomli_w.dumps(engine.table(recipe)), {"remgcl": "0"})
        for place, name in enumerate(stages):
            after = recipe.stages[name].after
            run.stage(name).begin({part: {} for part in PARTS})
            job = Job(
                recipe=recipe,
                name=name,
                run=run,
                start=run.stage(after) if after else None,
                inputs={part: {} for part in PARTS},
                console=Console(quiet=True),
            )
            objective = job.build_objective(job.build_model())
            with torch.no_grad():
                for parameter in objective.model.projector.parameters():
                    parameter.add_(place + 1)
            job.finish(objective, {"samples": place})
        return run

    return make
