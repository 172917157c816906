"""A JSON Schema of recipes, for editors: every key, type, bound and part that there is.

Read off the same classes that read recipes. What no schema can say, such as
that a stage must come after another, is left to `remgcl check`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any, Literal, TypeAlias, get_args, get_origin

import attrs

from remgcl.core.parts import Part
from remgcl.core.recipe.document import EXTENDS, USE
from remgcl.core.recipe.paths import PATHS
from remgcl.core.recipe.recipe import FROM, Recipe
from remgcl.core.recipe.structure import key_of
from remgcl.core.registry.registry import KINDS, Registry

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}

BOUNDS = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}
"""What a schema calls the bounds of attrs."""


def schema_of(registry: Registry) -> Schema:
    """Describe every recipe that the installed parts allow.

    A recipe that lays itself over another, or whose parts come from elsewhere, need not be whole.

    Args:
        registry: The parts.
    """
    paths: Schema = {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Texts that are filled in wherever they are named, as {paths.NAME}.",
    }
    over: Schema = {"type": "string", "description": "The recipe that this one extends."}
    begun: Schema = {"properties": {"stages": {"not": {"additionalProperties": {"not": {"required": [FROM]}}}}}}
    whole, partial = _Writer(registry, whole=True), _Writer(registry, whole=False)
    return {
        "$schema": DIALECT,
        "title": "a recipe of remgcl",
        "type": "object",
        "if": {"anyOf": [{"required": [EXTENDS]}, {**begun, "required": ["stages"]}]},
        "then": partial.table(Recipe, {PATHS: paths, EXTENDS: over}),
        "else": whole.table(Recipe, {PATHS: paths}),
        "$defs": {**whole.definitions(), **partial.definitions()},
    }


class _Writer:
    """Describes classes; `whole` says whether required keys must be there."""

    def __init__(self, registry: Registry, *, whole: bool) -> None:
        self._registry = registry
        self._whole = whole
        self._kinds = {contract: kind for kind, contract in KINDS.items()}

    def definitions(self) -> dict[str, Schema]:
        """Describe each part once."""
        return {self._name(entry.kind, entry.name): self._part(entry.part, entry.name) for entry in self._registry}

    def table(self, cls: type[attrs.AttrsInstance], more: Mapping[str, Schema] | None = None) -> Schema:
        """Describe the table of an attrs class.

        Args:
            cls: The class.
            more: Keys besides its fields.
        """
        attrs.resolve_types(cls)
        meanings = described(cls)
        fields = {key_of(field): field for field in attrs.fields(cls) if field.init}
        properties = {name: self._field(field, meanings.get(field.name)) for name, field in fields.items()}
        required = [name for name, field in fields.items() if field.default is attrs.NOTHING]
        return {
            "type": "object",
            "properties": {**properties, **(more or {})},
            "additionalProperties": False,
            **({"required": required} if required and self._whole else {}),
        }

    def _part(self, part: type[Part], name: str) -> Schema:
        summary = (inspect.getdoc(part) or "").partition("\n")[0]
        return {"description": summary, **self.table(part, {USE: {"const": name}})}

    def _name(self, kind: str, name: str) -> str:
        return f"{'whole' if self._whole else 'partial'}.{kind}.{name}"

    def _field(self, field: attrs.Attribute[Any], meaning: str | None) -> Schema:
        schema = self._type(field.type)
        schema |= reduce(or_, bounds(field.validator), {})
        if meaning:
            schema["description"] = meaning
        if isinstance(field.default, bool | int | float | str):
            schema["default"] = field.default
        return schema

    def _type(self, kind: Any) -> Schema:  # noqa: ANN401 - any annotation
        if kind in SCALARS:
            return {"type": SCALARS[kind]}
        if kind in self._kinds:
            return self._use(self._kinds[kind])
        return self.table(kind) if attrs.has(kind) else self._generic(get_origin(kind), get_args(kind))

    def _generic(self, of: object, args: tuple[Any, ...]) -> Schema:
        if of is Literal:
            return {"enum": list(args)}
        if of is dict:
            return self._parts(args[1]) if args[1] in self._kinds else self._mapping(args[1])
        if of in {tuple, list}:
            return self._array(args)
        some = [arg for arg in args if arg is not type(None)]
        return self._type(some[0]) if len(some) == 1 else {}

    def _mapping(self, kind: Any) -> Schema:  # noqa: ANN401 - any annotation
        return {"type": "object", "additionalProperties": self._type(kind)}

    def _array(self, args: tuple[Any, ...]) -> Schema:
        if len(args) > 1 and args[-1] is not Ellipsis:
            each = [self._type(arg) for arg in args]
            return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
        return {"type": "array", "items": self._type(args[0])}

    def _use(self, kind: str) -> Schema:
        """Describe a part by its name, or by a table that names it."""
        names = list(self._registry.names(kind))
        return {"anyOf": [{"enum": names}, self._tables(kind)]}

    def _tables(self, kind: str, default: str | None = None) -> Schema:
        """Describe a table that names a part with `use`, and holds its settings."""
        choices: list[Schema] = []
        for name in self._registry.names(kind):
            settings = {"$ref": f"#/$defs/{self._name(kind, name)}"}
            named = {"properties": {USE: {"const": name}}, **({} if name == default else {"required": [USE]})}
            choices.append({"if": named, "then": settings})
        known: Schema = {"properties": {USE: {"enum": list(self._registry.names(kind))}}}
        needed = {"required": [USE]} if default is None and self._whole else {}
        return {"type": "object", **known, **needed, "allOf": choices}

    def _parts(self, contract: type[Part]) -> Schema:
        """Describe a table of parts, whose keys are the default of `use`."""
        kind = self._kinds[contract]
        return {
            "type": "object",
            "properties": {name: self._tables(kind, default=name) for name in self._registry.names(kind)},
            "additionalProperties": self._use(kind),
        }


def bounds(validator: object) -> Iterator[Schema]:
    """Read the bounds of a value off the validators of attrs.

    Args:
        validator: Any validator, or none.
    """
    inner = getattr(validator, "validator", None)  # of optional
    for each in getattr(validator, "_validators", ()):
        yield from bounds(each)
    if inner is not None:
        yield from bounds(inner)
    operator = getattr(validator, "compare_op", None)
    if operator in BOUNDS:
        yield {BOUNDS[operator]: getattr(validator, "bound")}  # noqa: B009 - validators of attrs are untyped
    pattern = getattr(validator, "pattern", None)
    if isinstance(pattern, re.Pattern):
        yield {"pattern": f"^(?:{pattern.pattern})$"}
    options = getattr(validator, "options", None)
    if isinstance(options, tuple | list | set | frozenset):
        yield {"enum": sorted(options)}


def described(cls: type) -> dict[str, str]:
    """Read what the docstrings of a class and its bases say of each attribute.

    Args:
        cls: A class with an ``Attributes:`` section, as Google writes it.
    """
    meanings: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        section = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2]
        entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
        meanings |= {name: " ".join(text.split()) for name, text in entries}
    return meanings
