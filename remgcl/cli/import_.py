"""``remgcl import``: a model in a published format becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(  # noqa: PLR0913 - the options of a command
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder, a file or a hub id.")],
    *,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run folder to write; it must be new or empty.")],
    base: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The model that the adapters or the projector were trained on.")
    ] = None,
    tower: Annotated[
        str | None,
        typer.Option(metavar="TOWER", help="The vision tower, if the one that the source names is not found."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="The format; by default it is detected.")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", "--conv", metavar="NAME", help="The template of its conversations.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="TYPE", help="float32, bfloat16 or float16; by default that of the source.")
    ] = None,
) -> None:
    """Import a model in a published format as a run with one finished stage.

    Every tensor of the source is accounted for; a missing or unknown one is an error.
    """
    from rich.console import Console

    from remgcl import Engine, RunFolder
    from remgcl.core.exchange.importing import STAGE, Wanted, import_model, understand

    registry = Engine.installed().registry
    wanted = Wanted(format=format_, base=base, tower=tower, template=template, dtype=dtype)
    understood = understand(source, registry, wanted)
    recipe = import_model(understood, RunFolder(out), registry, wanted)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"imported {source} ({understood.format}) to {out}", markup=False)
    for part in ("vision_tower", "projector", "backbone"):
        console.print(f"  {part}: {registry.entry(getattr(recipe, part)).name}", markup=False)
    stage = recipe.stages[STAGE]
    console.print(f"  template: {registry.entry(stage.template).name}, images: {stage.image_aspect}", markup=False)
    for note in understood.published.notes:
        console.print(note, style="yellow", markup=False)
    console.print(f"ask it: remgcl ask {out} IMAGE QUESTION", markup=False)
