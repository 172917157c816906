"""``remgcl run``: train the stages of a recipe."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remgcl.cli import output
from remgcl.cli.options import Overrides, RecipeFile
from remgcl.cli.options import folder as folder_of
from remgcl.cli.output import lasting

if TYPE_CHECKING:
    from rich.console import Console

    from remgcl import Engine, Recipe, RunFolder


def run(
    recipe: RecipeFile,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    folder: Annotated[
        Path | None, typer.Option(parser=folder_of, metavar="FOLDER", help="The run folder; by default runs/NAME.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start interrupted stages over.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train the stages of a recipe, one after the other, and evaluate those that say on what.

    Stages that are already finished in the folder are skipped; an interrupted
    stage resumes from its newest checkpoint.
    """
    from remgcl import Engine, RunFolder

    engine = Engine.installed()
    read = engine.read(recipe, overrides)
    console = output.console(lasting(sys.stdout))
    run = RunFolder(folder or Path("runs") / read.name)
    engine.run(
        read, run, console, str(recipe), restart=restart, finished_stage=partial(_evaluate, engine, read, run, console)
    )
    *_, last = read.stages
    console.print(f"model: {run.stage(last).model}", markup=False)
    console.print(f"ask it with: remgcl ask {run.path} IMAGE QUESTION", markup=False)


def _evaluate(engine: Engine, recipe: Recipe, run: RunFolder, console: Console, stage: str) -> None:
    """Evaluate a finished stage on the benchmarks that the recipe names for it."""
    from remgcl.cli.evaluate_table import print_scores, progress
    from remgcl.core.evaluation.evaluate import evaluate
    from remgcl.core.evaluation.record import EvaluationFolder
    from remgcl.core.evaluation.stage import FOLDER

    settings = [f"model={json.dumps(str(run.path))}", f"stage={json.dumps(stage)}"]
    for name, task in engine.evaluations(recipe.stages[stage]).items():
        folder = EvaluationFolder(run.stage(stage).path / FOLDER / name)
        with progress(f"{stage}: {name}") as watch:
            scores = evaluate(task, engine.part("chat_models", "remgcl", settings), folder, watch=watch)
        print_scores(console, scores)
        console.print(f"answers and scores: {folder.path}", markup=False)
