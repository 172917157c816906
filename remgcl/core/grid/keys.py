"""The keys of a recipe that a grid may vary, and their types."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import attrs

from remgcl.core.errors import Hint, ValueFaultError
from remgcl.core.recipe.document import USE, Document, Key, dotted
from remgcl.core.recipe.paths import PATHS
from remgcl.core.recipe.recipe import Recipe, Stage
from remgcl.core.registry.registry import KINDS

STAGES = "stages"
SEED = "seed"


def expand(key: str, base: Document) -> Key:
    """Find the whole path of a key; a key of a stage given by itself is that of the last stage.

    Args:
        key: The key as written in a grid file, with dots.
        base: The recipe that is varied.

    Raises:
        ValueFaultError: There is no such key.
    """
    path = tuple(key.split("."))
    recipe, stage = _fields(Recipe), _fields(Stage)
    if path[0] in stage and path[0] not in recipe:
        path = (STAGES, last(base), *path)
    if path == (SEED,):
        raise ValueFaultError("cannot be varied here; the grid's key 'seeds' does that")
    if path[0] not in {PATHS, *recipe}:
        raise ValueFaultError(f"no key {path[0]!r} in a recipe; {Hint(path[0], (*recipe, *stage))}")
    there = tuple(base.get((STAGES,)) or ())
    if path[0] == STAGES and len(path) > 1 and path[1] not in there:
        raise ValueFaultError(f"the base has no stage {path[1]!r}; {Hint(path[1], there)}")
    for length in range(1, len(path)):
        below = _type(path[:length])
        if attrs.has(below) and below not in KINDS.values() and path[length] not in _fields(below):
            raise ValueFaultError(f"no key {dotted(path[: length + 1])!r}; {Hint(path[length], tuple(_fields(below)))}")
    return path


def last(base: Document) -> str:
    """Name the last stage of a recipe.

    Args:
        base: The recipe.

    Raises:
        ValueFaultError: It has none.
    """
    stages = base.get((STAGES,))
    if not isinstance(stages, dict) or not stages:
        raise ValueFaultError(f"the base {base.name!r} has no stage")
    return str(list(stages)[-1])


def holds_tables(key: Key) -> bool:
    """Return whether a key holds named tables, of which a list keeps some: losses or stages.

    Args:
        key: The whole path of the key.
    """
    kind = _type(key)
    return get_origin(kind) is dict and attrs.has(get_args(kind)[1])


def kind_at(key: Key) -> str | None:
    """Name the kind of the parts that a key names, if it does: its own, or those of its tables.

    Args:
        key: The whole path of the key, with ``use`` or without.
    """
    contract = _type(key[:-1] if key[-1] == USE else key)
    contract = get_args(contract)[1] if get_origin(contract) is dict else contract
    return next((kind for kind, of in KINDS.items() if of is contract), None)


def _type(key: Key) -> Any:  # noqa: ANN401 - a type
    """Return the type of a recipe's key, or None below a part, whose class is not known here."""
    kind: Any = Recipe
    for name in key:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            known = attrs.has(kind) and kind not in KINDS.values()
            kind = _fields(kind).get(name) if known else None
    return kind


def _fields(cls: type[Any]) -> dict[str, Any]:
    """Return the types of a class's fields, without the None of what is optional."""
    attrs.resolve_types(cls)
    return {field.name: _some(field.type) for field in attrs.fields(cls)}


def _some(kind: Any) -> Any:  # noqa: ANN401 - a type
    options = [option for option in get_args(kind) if option is not type(None)]
    return options[0] if type(None) in get_args(kind) and len(options) == 1 else kind
