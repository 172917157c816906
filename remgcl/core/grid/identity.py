"""What tells the stages of a grid apart: all that decides their results, as far as it is known before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from remgcl.core.files.whole import as_json
from remgcl.core.parts import Part
from remgcl.core.planning.plan import Plan
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.registry.culprit import foreign, source

DIGITS = 16
"""Hexadecimal digits that tell stages apart."""


def identities(recipe: Recipe, plan: Plan, inputs: Mapping[str, Mapping[str, Any]], runner: str) -> dict[str, Any]:
    """Give what decides the results of each stage beside the inputs that its run folder keeps.

    Args:
        recipe: The recipe.
        plan: Its plan.
        inputs: What an engine says each stage is made of.
        runner: The name of the runner, as a part.

    Returns:
        By stage: the runner, the digests of held-out data, and of each part of
        a third party the distribution and the digest of its source.
    """
    found: dict[str, Any] = {}
    sources: dict[type[Part], Any] = {}
    for key in recipe.stages:
        lineage = recipe.lineage(key)
        seen = None if "text_filter" not in inputs[key] else recipe.text_filter
        used = recipe.runner, recipe.vision_tower, recipe.projector, recipe.backbone, seen
        parts = [part for part in _parts((used, [recipe.stages[name] for name in lineage])) if foreign(part)]
        sources |= {type(part): source(part) for part in parts if type(part) not in sources}
        found[key] = {
            "runner": {"use": runner, "processes": plan.layout.processes},
            "held_out": {name: held.digest for name in lineage if (held := plan.stages[name].held_out)},
            "plugins": {f"{cls.__module__}.{cls.__qualname__}": sources[cls] for cls in map(type, parts)},
        }
    return found


def digest_of(made_of: Mapping[str, Any]) -> str:
    """Name a stage by all that it is made of.

    Args:
        made_of: Its inputs as an engine gives them, and its identity.
    """
    told = json.dumps(json.loads(as_json(made_of)), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:DIGITS]


def _parts(value: object) -> Iterator[Part]:
    """Give every part in a value, those inside other parts too."""
    if isinstance(value, Part):
        yield value
    cls: type[Any] = type(value)
    if attrs.has(cls):
        value = [getattr(value, field.name) for field in attrs.fields(cls)]
    elif isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for below in value:
            yield from _parts(below)
