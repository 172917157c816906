"""``remgcl new-plugin``: begin a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remgcl.cli.options import folder as folder_of


def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The part's name in recipes, such as hard-negative.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help="The kind of part, such as loss or vision_tower.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            parser=folder_of, metavar="FOLDER", help="The folder to write; by default remgcl-NAME. It must be new."
        ),
    ] = None,
) -> None:
    """Write a package with a working part: module, test, recipe and README.

    You can install it, train with it and test it at once, and then change it.
    """
    from remgcl import Engine
    from remgcl.core.authoring.scaffold import kind_of, package, verify_name, write_package

    of = kind_of(kind)
    verify_name(name, of, Engine.installed().registry)
    to = folder or Path(f"remgcl-{name}")
    files = package(name, of)
    write_package(files, to)
    for path in files:
        typer.echo(f"wrote {to / path}")
    typer.echo(f"\npip install -e {to}\nremgcl run {to / 'recipe.toml'}")
