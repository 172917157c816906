"""``remgcl schema``: a JSON Schema of recipes."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print a JSON Schema of recipes, with the parts of every installed plugin.

    An editor that knows TOML schemas completes and checks recipes with it.
    """
    from remgcl import Engine
    from remgcl.core.recipe.schema import schema_of

    typer.echo(json.dumps(schema_of(Engine.installed().registry), indent=2, ensure_ascii=False))
