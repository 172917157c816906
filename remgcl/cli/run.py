"""``remgcl run``: train the stages of a recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from remgcl.cli import output
from remgcl.cli.options import Overrides, RecipeFile
from remgcl.cli.options import folder as folder_of
from remgcl.cli.output import lasting


def run(
    recipe: RecipeFile,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    folder: Annotated[
        Path | None, typer.Option(parser=folder_of, metavar="FOLDER", help="Where the run goes; runs/NAME by default.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin interrupted stages anew.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train the stages of a recipe, one after the other.

    A stage that is finished in the folder already is not run again; one that
    was interrupted goes on from its newest checkpoint.
    """
    from remgcl import Engine, RunFolder

    engine = Engine.installed()
    read = engine.read(recipe, overrides)
    console = output.console(lasting(sys.stdout))
    run = RunFolder(folder or Path("runs") / read.name)
    engine.run(read, run, console, str(recipe), restart=restart)
    *_, last = read.stages
    console.print(f"model: {run.stage(last).model}", markup=False)
    console.print(f"ask it with: remgcl ask {run.path} IMAGE QUESTION", markup=False)
