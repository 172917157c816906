"""The axes of a grid: what is varied, and how each value is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any, TypeAlias

from attrs import frozen

from remgcl.core.errors import Fault, RecipeError, ValueFaultError, listed
from remgcl.core.grid.file import flat
from remgcl.core.grid.keys import expand, holds_tables, kind_at
from remgcl.core.recipe.document import USE, Document, Key, dotted
from remgcl.core.registry.registry import Registry

Settings: TypeAlias = tuple[tuple[Key, Any], ...]
"""Keys and their values, in the order they are set."""

LABEL, SET, UNSET = "label", "set", "unset"
"""The keys of a value that moves several keys of a recipe together."""

ABSENT = object()
"""The value of a key that is removed from a recipe."""


@frozen
class Choice:
    """A value of an axis.

    Attributes:
        label: How it is called.
        given: The value as written in the file.
        settings: What it sets.
    """

    label: str
    given: Any
    settings: Settings


@frozen
class Axis:
    """A key that is varied.

    Attributes:
        key: The key as written in the file.
        label: Its label: the shortest unique end of the key.
        choices: Its values.
    """

    key: str
    label: str
    choices: tuple[Choice, ...]


def read_axes(axes: Mapping[str, Any], name: str, base: Document, registry: Registry) -> tuple[Axis, ...]:
    """Read the axes of a grid.

    Args:
        axes: The values of each key.
        name: The grid's file, for errors.
        base: The recipe that is varied.
        registry: The parts that wildcards match.

    Raises:
        RecipeError: All keys that do not exist, and all that is no value.
    """
    faults: list[Fault] = []
    made: list[Axis] = []
    given = flat(axes)
    labels = _shortest(list(given))
    for key, values in given.items():
        try:
            made.append(Axis(key, labels[key], _choices(key, values, base, registry)))
        except ValueFaultError as error:
            faults.append(Fault(name, dotted(("axes", key, *error.key)), str(error)))
    if faults:
        raise RecipeError(faults)
    return tuple(made)


def read_settings(table: Mapping[str, Any], base: Document) -> Settings:
    """Read keys and what they are set to; parts come before their settings.

    Args:
        table: The values of each key.
        base: The recipe whose keys they are.

    Raises:
        ValueFaultError: A key does not exist; the error names the first.
    """
    settings = []
    for key, value in flat(table).items():
        try:
            settings.append((expand(key, base), value))
        except ValueFaultError as error:
            raise ValueFaultError(str(error), (key,)) from None
    return parts_first(settings)


def parts_first(settings: Iterable[tuple[Key, Any]]) -> Settings:
    """Put the names of parts before their settings, which a new name would drop.

    Args:
        settings: Keys and their values.
    """
    return tuple(sorted(settings, key=lambda setting: not _names_part(*setting)))


def _names_part(key: Key, value: object) -> bool:
    return value is not ABSENT and (key[-1] == USE or kind_at(key) is not None)


def _choices(key: str, values: object, base: Document, registry: Registry) -> tuple[Choice, ...]:
    """Read the values of an axis."""
    if isinstance(values, str):
        values = _matched(expand(key, base), values, registry)
    if not isinstance(values, list) or not values:
        raise ValueFaultError(f"must be a list of values, or a pattern such as '*'; it is {values!r}")
    choices = tuple(_choice(key, value, base, str(place)) for place, value in enumerate(values))
    labels = [choice.label for choice in choices]
    for place, label in enumerate(labels):
        if label in labels[:place]:
            fault = f"{label!r} is there twice; give one another label: {{ label = ..., set = {{ ... }} }}"
            raise ValueFaultError(fault, (str(place),))
    return choices


def _choice(key: str, value: Any, base: Document, place: str) -> Choice:  # noqa: ANN401 - any TOML value
    """Read one value of an axis."""
    if isinstance(value, Mapping) and LABEL in value:
        return _together(value, base, place)
    if _endless(value):
        raise ValueFaultError(f"must be a finite number; it is {value!r}", (place,))
    path = expand(key, base)
    if holds_tables(path):
        _verify_names(value, place)
    below = flat(value).items() if isinstance(value, Mapping) and value else ()
    settings = [((*path, *low.split(".")), held) for low, held in below] or [(path, value)]
    return Choice(called(value), value, parts_first(settings))


def _together(value: Mapping[str, Any], base: Document, place: str) -> Choice:
    """Read a value that sets several keys, or takes some out."""
    known = {LABEL: str, SET: Mapping, UNSET: list}
    if _endless(value):
        raise ValueFaultError(f"must hold finite numbers; it is {value!r}", (place,))
    for name, held in value.items():
        if not isinstance(held, known.get(name, ())):
            fault = f"must have {LABEL!r}, a text, and {SET!r}, a table, or {UNSET!r}, a list of keys"
            raise ValueFaultError(f"{fault}; it is {value!r}", (place,))
    try:
        settings = read_settings(value.get(SET, {}), base)
        return Choice(value[LABEL], value, settings + read_settings(dict.fromkeys(value.get(UNSET, ()), ABSENT), base))
    except ValueFaultError as error:
        raise ValueFaultError(str(error), (place, *error.key)) from None


def _endless(value: object) -> bool:
    """Return whether NaN or an infinite number is in a value; NaN does not even equal itself."""
    if isinstance(value, Mapping):
        return any(map(_endless, value.values()))
    if isinstance(value, list):
        return any(map(_endless, value))
    return isinstance(value, float) and not isfinite(value)


def _verify_names(value: object, place: str) -> None:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueFaultError(f"must be a list of names; it is {value!r}", (place,))
    if len(set(value)) < len(value):
        raise ValueFaultError(f"names one twice; it is {value!r}", (place,))


def _matched(path: Key, pattern: str, registry: Registry) -> list[Any]:
    """Name the installed parts that a pattern matches, as values of a key."""
    kind = kind_at(path)
    if kind is None:
        raise ValueFaultError(f"must be a list of values; a pattern such as {pattern!r} needs a key that names a part")
    names = [name for name in registry.names(kind) if fnmatchcase(name, pattern)]
    if not names:
        raise ValueFaultError(f"no part among the {kind} matches {pattern!r}; there is {listed(registry.names(kind))}")
    if holds_tables(path):
        return [[name] for name in names]
    return names if path[-1] == USE else [{USE: name} for name in names]


def called(value: Any) -> str:  # noqa: ANN401 - any TOML value
    """Call a value by a short text.

    Args:
        value: The value.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        mantissa, exponent = f"{value:e}".split("e")
        short = [f"{value:g}", f"{float(mantissa):g}e{int(exponent)}"]
        return min((text for text in short if float(text) == value), key=len, default=repr(value))
    if isinstance(value, list):
        return "+".join(map(called, value)) or "none"
    if isinstance(value, Mapping):
        return ",".join(called(below) if key == USE else f"{key}={called(below)}" for key, below in value.items())
    return str(value)


def _shortest(keys: Sequence[str]) -> dict[str, str]:
    """Label each key by its shortest unique end."""
    paths = {key: tuple(key.removesuffix(f".{USE}").split(".")) for key in keys}
    labels = {}
    for key, path in paths.items():
        lengths = range(1, len(path) + 1)
        alone = (n for n in lengths if all(key == other or path[-n:] != its[-n:] for other, its in paths.items()))
        labels[key] = dotted(path[-next(alone, len(path)) :])
    return labels
