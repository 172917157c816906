"""What a stage is made of: whether two stages are the same is decided here, for runs and for grids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from remgcl.core.files.whole import as_json
from remgcl.core.parts import Part
from remgcl.core.parts.within import parts_in
from remgcl.core.planning.plan import Plan
from remgcl.core.recipe.document import USE
from remgcl.core.recipe.recipe import PARTS, Recipe
from remgcl.core.registry.culprit import foreign, source

DIGITS = 16
"""Hexadecimal digits that tell stages apart."""


def made_of(recipe: Recipe, table: Mapping[str, Any], plan: Plan) -> dict[str, dict[str, Any]]:
    """List what decides the results of each stage, as far as it is known before the training.

    Args:
        recipe: The recipe.
        table: The same as tables, with all defaults.
        plan: Its plan.

    Returns:
        By stage: the tables of the model's parts and of the stages up to it,
        the seed, the digests of data and OCR caches, the runner and its number
        of processes, and for each part of a third party the distribution and
        the digest of its source.
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
        parts = [part for _, part in parts_in((used, [recipe.stages[name] for name in lineage])) if foreign(part)]
        sources |= {type(part): source(part) for part in parts if type(part) not in sources}
        stages[key] = {
            **shared,
            **({"text_filter": table["text_filter"]} if filters else {}),  # only losses look at it
            "stages": {name: table["stages"][name] for name in lineage},
            "data": {name: stage.train.digest for name, stage in planned.items()},
            "held_out": {name: held.digest for name, stage in planned.items() if (held := stage.held_out)},
            "ocr": {name: ocr.digest for name, stage in planned.items() if (ocr := stage.ocr)},
            "runner": runner,
            "plugins": {f"{cls.__module__}.{cls.__qualname__}": sources[cls] for cls in map(type, parts)},
        }
    return stages


def digest_of(stage: Mapping[str, Any]) -> str:
    """Name a stage by all that it is made of.

    Args:
        stage: What `made_of` lists of it.
    """
    told = json.dumps(json.loads(as_json(stage)), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:DIGITS]
