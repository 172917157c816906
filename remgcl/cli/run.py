"""``remgcl run``: train the stages of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remgcl.cli.options import Overrides, RecipeFile


def run(
    recipe: RecipeFile,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the run goes; runs/NAME by default.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin interrupted stages anew.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train the stages of a recipe, one after the other.

    A stage that is finished in the folder already is not run again; one that
    was interrupted goes on from its newest checkpoint.
    """
    from rich.console import Console

    from remgcl import Engine, RunFolder

    engine = Engine.installed()
    read = engine.read(recipe, overrides)
    console = Console(soft_wrap=True, highlight=False)
    engine.run(read, RunFolder(folder or Path("runs") / read.name), console, str(recipe), restart=restart)
