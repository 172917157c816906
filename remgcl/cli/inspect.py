"""``remgcl inspect``: show what the model gets of one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remgcl.cli.options import Overrides, RecipeFile
from remgcl.cli.options import folder as folder_of


def inspect(
    recipe: RecipeFile,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="The stage whose data is shown; by default the last one.")
    ] = None,
    sample: Annotated[int, typer.Option(metavar="N", help="The sample's index in the data.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=folder_of, metavar="PICTURE.png", help="The file to write; by default inspect-STAGE-N.png."
        ),
    ] = None,
) -> None:
    """Draw one sample as the model sees it: pixels, patches, text regions and tokens.

    The model is not built, and its weights are not read.
    """
    from rich.console import Console

    from remgcl import Engine, RunError
    from remgcl.core.authoring.sheet import draw_sheet
    from remgcl.core.files.whole import writing

    if out is not None and out.suffix.lower() != ".png":
        raise RunError(f"--out: must be the name of a .png file; it is {str(out)!r}")
    engine = Engine.installed()
    seen = engine.inspect(engine.read(recipe, overrides), stage, sample, str(recipe))
    path = out or Path(f"inspect-{seen.stage}-{seen.index}.png")
    picture = draw_sheet(seen)
    with writing(path):
        picture.save(path)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    facts = {**seen.facts(), "picture": str(path)}
    for fact, value in facts.items():
        console.print(f"{fact:>{max(map(len, facts))}}  {value}")
