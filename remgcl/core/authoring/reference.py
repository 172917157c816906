"""All that the code says of its parts: fields, types, defaults, limits, and a table that uses each."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from itertools import groupby
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from attrs import frozen

from remgcl.core.files.extras import missing
from remgcl.core.recipe.document import USE
from remgcl.core.recipe.schema import BOUNDS, bounds, described
from remgcl.core.registry import hookspecs
from remgcl.core.registry.registry import Registered, Registry, singular

SIGNS = {name: sign for sign, name in BOUNDS.items()}
"""How a bound of a schema is written for people."""


@frozen(kw_only=True)
class FieldReference:
    """What there is to know of a field.

    Attributes:
        name: Its key in recipes.
        type: Its type, as it is written.
        default: Its default, as it is written in Python; empty if it must be given.
        limits: The bounds of its value.
        meaning: What its docstring says.
    """

    name: str
    type: str
    default: str
    limits: tuple[str, ...]
    meaning: str

    def __str__(self) -> str:
        """Write name, type and default in one line."""
        return f"{self.name}: {self.type}{f' = {self.default}' if self.default else ' (required)'}"


@frozen(kw_only=True)
class PartReference:
    """What there is to know of a part.

    Attributes:
        kind: Its kind.
        name: Its name in recipes.
        plugin: The plugin that registered it.
        text: What its docstring says, without its fields.
        fields: Its fields.
        requires: Requirements for pip of the libraries that it needs.
        missing: Which of these are not installed, each with the command that
            installs it.
        example: A table that uses it.
    """

    kind: str
    name: str
    plugin: str
    text: str
    fields: tuple[FieldReference, ...]
    requires: tuple[str, ...]
    missing: tuple[str, ...]
    example: str

    @property
    def summary(self) -> str:
        """The first line of the text."""
        return self.text.partition("\n")[0]


def reference_of(entry: Registered) -> PartReference:
    """Read off a part's class what there is to know of it.

    Args:
        entry: The part.
    """
    part = entry.part
    attrs.resolve_types(part)
    meanings = described(part)
    return PartReference(
        kind=entry.kind,
        name=entry.name,
        plugin=entry.plugin,
        text=(inspect.getdoc(part) or "").partition("\n\nAttributes:")[0],
        fields=tuple(field_reference(field, meanings.get(field.name, "")) for field in attrs.fields(part)),
        requires=tuple(sorted(set(part.requires.values()))),
        missing=tuple(missing(part.requires)),
        example=_example(entry),
    )


def field_reference(field: attrs.Attribute[Any], meaning: str = "") -> FieldReference:
    """Read off a field what there is to know of it.

    Args:
        field: The field, with its type resolved.
        meaning: What it is.
    """
    return FieldReference(
        name=field.alias or field.name,
        type=_type(field.type),
        default=_default(field.default),
        limits=tuple(_limit(name, value) for bound in bounds(field.validator) for name, value in bound.items()),
        meaning=meaning,
    )


def markdown(registry: Registry) -> str:
    """Write the reference of all parts as one page.

    Args:
        registry: The parts.
    """
    return "\n".join(_page(registry)) + "\n"


def _page(registry: Registry) -> Iterator[str]:
    yield "# Parts"
    yield ""
    yield "Every part of every kind, with its fields, read off the code by `make reference`. `remgcl parts KIND.NAME`"
    yield "prints the same for one part, also for those of your plugins."
    for kind, entries in groupby(registry, key=lambda entry: entry.kind):
        hook = getattr(hookspecs, hookspecs.PREFIX + kind)
        yield f"\n## {kind}\n\n{_capitalised((inspect.getdoc(hook) or '').partition(': ')[2])}"
        for entry in entries:
            yield from _section(reference_of(entry))


def _section(part: PartReference) -> Iterator[str]:
    yield f"\n### {part.kind}.{part.name}\n\n{part.text}"
    for install in part.requires:
        yield f"\nIt needs `pip install '{install}'`."
    if part.fields:
        yield "\n| field | type | default | limits | meaning |"
        yield "|---|---|---|---|---|"
    for field in part.fields:
        default = f"`{field.default}`" if field.default else "required"
        limits = ", ".join(f"`{limit}`" for limit in field.limits)
        cells = (f"`{field.name}`", f"`{field.type}`", default, limits, field.meaning)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield f"\n```{'toml' if part.example.startswith('[') else ''}\n{part.example}\n```"


def _example(entry: Registered) -> str:
    """Write a table, or a command, that uses a part, with every field that has no default or a scalar one."""
    fields = {field.alias or field.name: field.default for field in attrs.fields(entry.part)}
    settings = {
        name: "..." if default is attrs.NOTHING else json.dumps(default, ensure_ascii=False)
        for name, default in fields.items()
        if default is attrs.NOTHING or isinstance(default, bool | int | float | str)
    }
    if entry.part.command and not entry.part.table:
        command = entry.part.command.format(name=entry.name)
        option = entry.part.setting
        settings = {name: value for name, value in settings.items() if name.upper() not in command.split()}
        return " ".join([command, *(f"{option} {name}={value}" for name, value in settings.items() if option)])
    table = entry.part.table or singular(entry.kind)
    own = table.endswith(".")
    use = [] if own else [f'{USE} = "{entry.name}"']
    lines = [f"[{table}{entry.name if own else ''}]", *use, *(f"{name} = {value}" for name, value in settings.items())]
    return "\n".join(lines)


def _type(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Write a type as its source does, the same in every Python."""
    of, args = get_origin(kind), get_args(kind)
    if of is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if of in {Union, UnionType}:
        return " | ".join(map(_type, args))
    if of is not None:
        return f"{of.__name__}[{', '.join(map(_type, args))}]"
    named = {NoneType: "None", Ellipsis: "..."}
    return named[kind] if kind in named else str(getattr(kind, "__name__", kind))


def _default(default: Any) -> str:  # noqa: ANN401 - any default
    if default is attrs.NOTHING:
        return ""
    return repr(default.factory() if isinstance(default, attrs.Factory) else default)  # type: ignore[arg-type]


def _limit(name: str, value: object) -> str:
    return f"{SIGNS.get(name, name)} {value}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
