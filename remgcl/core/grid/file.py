"""A grid file, as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from attrs.validators import and_, deep_iterable, ge, lt, matches_re

from remgcl.core.errors import ValueFaultError
from remgcl.core.evaluation.measure import EXACT_MATCH
from remgcl.core.parts import Executor
from remgcl.core.recipe import document
from remgcl.core.recipe.structure import Structure
from remgcl.core.registry.registry import Registry


def _once(_: object, __: object, values: tuple[object, ...]) -> None:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueFaultError(f"{value!r} is there twice", (str(place),))


def _some(_: object, __: object, values: tuple[object, ...]) -> None:
    if not values:
        raise ValueFaultError("must name something; it is empty")


@frozen(kw_only=True)
class GridFile:
    """A base recipe, and how it is varied.

    Attributes:
        name: The name of the grid, and of its folder.
        base: The recipe that is varied, beside the grid's file.
        executor: Where the stages are trained.
        axes: The values of each varied key.
        seeds: Seeds that each cell is trained with; the base's own without it.
        metrics: The results collected from each cell's last stage, the most important
            first.
        baseline: The cell that others are compared with, by its values.
        exclude: Combinations of values that are left out.
        set_: Settings of every cell, laid over the base.
    """

    name: str = field(validator=matches_re(r"[A-Za-z0-9][A-Za-z0-9._-]*"))
    base: str
    executor: Executor
    axes: dict[str, Any] = field(factory=dict)
    seeds: tuple[int, ...] = field(default=(), validator=[deep_iterable(and_(ge(0), lt(2**32))), _once])
    metrics: tuple[str, ...] = field(default=(EXACT_MATCH,), validator=[_some, _once])
    baseline: dict[str, Any] | None = None
    exclude: tuple[dict[str, Any], ...] = ()
    set_: dict[str, Any] = field(factory=dict, alias="set")


def read_file(path: Path, registry: Registry) -> GridFile:
    """Read a grid file, and nothing that it names.

    Args:
        path: The TOML file.
        registry: Where the executor is looked up.

    Raises:
        RecipeError: All faults of the file.
    """
    return Structure(registry).read(document.load(path), GridFile)


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Write nested tables as one table of dotted keys; TOML makes the former of keys without quotes.

    Args:
        table: The table; one without keys stays as it is.
    """
    held: dict[str, Any] = {}
    for name, value in table.items():
        below = flat(value) if isinstance(value, Mapping) and value else None
        held |= {name: value} if below is None else {f"{name}.{key}": low for key, low in below.items()}
    return held
