"""The identity of a stage: decides for runs and grids whether two stages are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from remgcl.core.files.whole import as_json
from remgcl.core.parts import Part
from remgcl.core.parts.within import parts_in
from remgcl.core.planning.plan import Plan
from remgcl.core.recipe.document import USE
from remgcl.core.recipe.recipe import FROM, PARTS, Recipe
from remgcl.core.registry.culprit import foreign, source
from remgcl.core.runs.start import root_of, start_in

DIGITS = 16
"""Hexadecimal digits of a stage's name."""


def made_of(recipe: Recipe, table: Mapping[str, Any], plan: Plan) -> dict[str, dict[str, Any]]:
    """List what decides the results of each stage, as far as it is known before the training.

    Args:
        recipe: The recipe.
        table: The same as tables, with all defaults.
        plan: Its plan.

    Returns:
        By stage: the tables of the model's parts and of the stages up to it,
        the seed, the digests of data and OCR caches, the runner and its number
        of processes, the digests of models from elsewhere that stages start
        from, and for each part of a third party the distribution and the
        digest of its source.
    """
    shared = {name: table[name] for name in (*PARTS, "seed")}
    runner = {USE: table["runner"][USE], "processes": plan.layout.processes}
    sources: dict[type[Part], Any] = {}
    stages = {}
    for key in recipe.stages:
        lineage = recipe.lineage(key)
        planned = {name: plan.stages[name] for name in lineage}
        filters = recipe.text_filter is not None and any(recipe.stages[name].losses for name in lineage)
        used = recipe.runner, *(getattr(recipe, name) for name in PARTS), recipe.text_filter if filters else None
        parts = [
            part
            for _, part in parts_in((used, [evolve(recipe.stages[name], evaluation={}) for name in lineage]))
            if foreign(part)
        ]
        sources |= {type(part): source(part) for part in parts if type(part) not in sources}
        stages[key] = {
            **shared,
            **({"text_filter": table["text_filter"]} if filters else {}),  # only losses use it
            "stages": {name: _trained(table["stages"][name]) for name in lineage},
            "data": {name: stage.train.digest for name, stage in planned.items()},
            "held_out": {name: held.digest for name, stage in planned.items() if (held := stage.held_out)},
            "ocr": {name: ocr.digest for name, stage in planned.items() if (ocr := stage.ocr)},
            "runner": runner,
            **({"sources": digests} if (digests := _sources(recipe, lineage)) else {}),
            "plugins": {f"{cls.__module__}.{cls.__qualname__}": sources[cls] for cls in map(type, parts)},
        }
        stages[key] = _placeless(stages[key], recipe, lineage)
    return stages


def _trained(table: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a stage what is done with its finished model."""
    return {key: value for key, value in table.items() if key != "evaluation"}


def _sources(recipe: Recipe, lineage: Sequence[str]) -> dict[str, str]:
    """Return the digest of the model that a stage starts from, by stage."""
    sources = {name: recipe.stages[name].source for name in lineage}
    return {name: start_in(Path(source)).digest() for name, source in sources.items() if source is not None}


def _placeless(made: dict[str, Any], recipe: Recipe, lineage: Sequence[str]) -> dict[str, Any]:
    """Leave out where sources lie: their digests tell what they are."""
    for name in lineage:
        source = recipe.stages[name].source
        if source is not None:
            made = moved(made, str(root_of(Path(source))), f"{{{FROM}.{name}}}")
    return made


def moved(value: Any, old: str, new: str) -> Any:  # noqa: ANN401 - nested tables
    """Replace a folder by another in all paths of nested tables.

    Args:
        value: Tables, lists and values.
        old: The folder that paths lie in.
        new: The folder that they lie in instead.
    """
    if isinstance(value, Mapping):
        return {name: moved(below, old, new) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [moved(below, old, new) for below in value]
    if isinstance(value, str) and (value == old or value.startswith(f"{old}/")):
        return new + value[len(old) :]
    return value


def digest_of(stage: Mapping[str, Any]) -> str:
    """Name a stage by the digest of all its inputs.

    Args:
        stage: What `made_of` lists of it.
    """
    text = json.dumps(json.loads(as_json(stage)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
