"""What of a stage comes from where, for people: from the model that it starts from, or from the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remgcl.core.errors import listed
from remgcl.core.recipe.document import USE
from remgcl.core.recipe.recipe import PARTS, Recipe
from remgcl.core.runs.start import root_of, start_in, tables_of

RECIPE = "the recipe"


def named(source: str) -> str:
    """Name the model that a stage starts from as its user does: a published one by its source.

    Args:
        source: The run folder or stage folder.
    """
    imported = _imported(source)
    if imported is None:
        return source
    beside = [f"{key} {imported[key]!r}" for key in ("base", "tower") if key in imported]
    return f"{imported['source']} ({', '.join([imported['format'], *beside])})"


def origins(recipe: Recipe, table: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, str]]]:
    """List for each stage that starts from a model of elsewhere where its parts come from.

    Args:
        recipe: The recipe.
        table: The same as tables.

    Returns:
        By stage and by what is listed: what is used, and where it comes from.
    """
    return {key: _of(stage.source, key, table) for key, stage in recipe.stages.items() if stage.source}


def _of(source: str, key: str, table: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    name, root, held = named(source), str(root_of(Path(source))), tables_of(Path(source))
    begun = held["stages"][start_in(Path(source)).path.name]
    found: dict[str, tuple[str, str]] = {}
    for part in PARTS:
        whence = name if part in held else RECIPE
        weights = table[part].get("weights")
        own = weights is None or weights.startswith(f"{root}/")
        found[part] = table[part][USE], whence if own else f"{whence}: {weights}"
        others = [
            f"{setting} = {table[part].get(setting)!r}, there {value!r}"
            for setting, value in held.get(part, {}).items()
            if setting != "weights" and table[part].get(setting) != value
        ]
        if others:
            found[part] = found[part][0], f"{found[part][1]}; the recipe sets {', '.join(others)}"
    tokenizer = table["backbone"].get("tokenizer")
    found["tokenizer"] = (tokenizer, RECIPE) if tokenizer else ("that of the backbone", found["backbone"][1])
    template, there = table["stages"][key]["template"], _used(begun.get("template"))
    same = there is not None and template.items() >= there.items()
    found["template"] = template[USE], name if same else RECIPE + (f"; there {listed([there[USE]])}" if there else "")
    return found


def _used(part: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - any TOML value
    return {USE: part} if isinstance(part, str) else part


def _imported(source: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = ((start_in(Path(source)).finished() or {})["results"]).get("imported")
    return found
