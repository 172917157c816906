"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer


def folder(given: str) -> Path:
    """Read the path of a folder or file that a command writes.

    Args:
        given: The argument.

    Raises:
        typer.BadParameter: It is empty, or no text, which libraries cannot write to.
    """
    if not given.strip():
        raise typer.BadParameter("is empty; name a folder, or . for this one")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter(f"{given!r} is not UTF-8, and not every library can write there") from None
    return Path(given)


RecipeFile: TypeAlias = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a TOML file.")]
Overrides: TypeAlias = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the recipe, such as stages.remgcl.epochs=2."),
]
