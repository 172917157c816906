"""TOML values to attrs classes and back, strictly, with all faults at once.

No value is coerced, except a whole number to a real one; no key is
ignored. A part is found by the `use` of its table; in a table of parts the key
is the default of `use`; a part without settings may be given by its name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import StructureHandlerNotFoundError
from cattrs.gen import make_dict_unstructure_fn, override

from remgcl.core.errors import Hint, RecipeError, RemgclError, ValueFaultError, listed
from remgcl.core.parts import Part
from remgcl.core.recipe.document import USE, Document, Key
from remgcl.core.recipe.recipe import KEY
from remgcl.core.recipe.renamed import renamed
from remgcl.core.registry.registry import KINDS, Registry

T = TypeVar("T")

TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
"""How a scalar type is called in an error."""


_MISSING = object()


class _FaultyError(Exception):
    """Faults below a value, each with the path of keys that leads there."""

    def __init__(self, faults: list[tuple[Key, str]]) -> None:
        self.faults = faults
        super().__init__(faults)


class Structure:
    """Makes attrs classes from tables and tables from attrs classes."""

    def __init__(self, registry: Registry) -> None:
        """Prepare for the parts of a registry.

        Args:
            registry: Where `use` is looked up.
        """
        self._registry = registry
        self._kinds = {contract: kind for kind, contract in KINDS.items()}
        self._converter = Converter(detailed_validation=False)
        for scalar in TYPES:
            self._converter.register_structure_hook(scalar, _strict(scalar))
        add = self._converter.register_structure_hook_func
        add(_generic(tuple), self._tuple)
        add(_generic(list), lambda value, kind: list(self._tuple(value, kind)))
        add(_optional, self._optional)
        add(attrs.has, self._attrs)
        add(lambda kind: kind in self._kinds, lambda value, kind: self._part(value, kind, None))
        add(_generic(dict), self._dict)
        add(_generic(Literal), _literal)
        self._converter.register_unstructure_hook_factory(attrs.has, self._table_writer)

    def read(self, document: Document, cls: type[T]) -> T:
        """Make an attrs class from a whole document.

        Args:
            document: The tables.
            cls: The class.

        Raises:
            RecipeError: All faults, each with file, key and what there is.
        """
        try:
            return self._converter.structure(document.table, cls)
        except _FaultyError as error:
            faults = error.faults
        except ValueFaultError as error:
            faults = [(error.key, str(error))]
        raise RecipeError([document.fault(key, what) for key, what in faults])

    def write(self, value: object) -> dict[str, Any]:
        """Make a table of an attrs class, with all defaults, without what is None.

        Args:
            value: An instance of an attrs class.
        """
        table: dict[str, Any] = _without_none(self._converter.unstructure(value))
        return table

    def _attrs(self, value: object, cls: type[attrs.AttrsInstance]) -> Any:  # noqa: ANN401 - an instance of cls
        if not isinstance(value, Mapping):
            raise ValueFaultError(f"must be a table; it is {value!r}")
        attrs.resolve_types(cls)
        fields = {key_of(field): field for field in attrs.fields(cls) if field.init}
        missing = {name: _MISSING for name, field in fields.items() if field.default is attrs.NOTHING}

        def make(name: str, below: object) -> object:
            if name not in fields:
                new = renamed(name, fields)
                raise ValueFaultError(
                    f"is now called {new!r}" if new else f"is not a key here; {Hint(name, tuple(fields))}"
                )
            if below is _MISSING:
                raise ValueFaultError("is missing")
            return self._field(fields[name], below)

        try:
            made = _each({**missing, **value}, make)
            return cls(**{str(fields[name].alias): below for name, below in made.items()})
        except ValueFaultError:
            raise
        except (ValueError, TypeError) as error:  # of a validator that depends on other fields, or of the class itself
            raise ValueFaultError(_worded(error)) from error

    def _field(self, field: attrs.Attribute[Any], value: object) -> object:
        """Make the value of a field, and validate it by itself, so that all faults of a class are reported."""
        kind: Any = Any if field.type is None else field.type
        made: object = self._converter.structure(value, kind)
        if field.validator is not None and field.converter is None:
            with suppress(AttributeError, TypeError):  # it depends on other fields, and is called again with them
                field.validator(None, field, made)
        return made

    def _part(self, value: object, contract: type[Part], default: str | None) -> Part:
        kind = self._kinds[contract]
        if isinstance(value, str):
            default, value = value, {}
        if not isinstance(value, Mapping):
            raise ValueFaultError(f"must be a table or the name of a part; it is {value!r}")
        at = (USE,) if USE in value else ()
        name = value.get(USE, default)
        if name is None:
            raise ValueFaultError(f"misses the key 'use'; there is {listed(self._registry.names(kind))}")
        if not isinstance(name, str):
            raise ValueFaultError(f"must be the name of a part; it is {name!r}", at)
        try:
            part = self._registry.find(kind, name)
        except RemgclError as error:
            raise ValueFaultError(str(error), at) from None
        settings = {key: below for key, below in value.items() if key != USE}
        return self._attrs(settings, part)  # type: ignore[no-any-return]

    def _dict(self, value: object, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a generic alias
        of = get_args(kind)[1]
        if not isinstance(value, Mapping):
            raise ValueFaultError(f"must be a table; it is {value!r}")
        if of in self._kinds:
            return _each(value, lambda name, below: self._part(below, of, name))
        return _each(value, lambda _, below: self._converter.structure(below, of))

    def _tuple(self, value: object, kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a generic alias
        if not isinstance(value, list | tuple):
            raise ValueFaultError(f"must be a list; it is {value!r}")
        of = get_args(kind) if get_origin(kind) is tuple else (*get_args(kind), Ellipsis)
        if of[-1] is not Ellipsis and len(of) != len(value):
            raise ValueFaultError(f"must have {len(of)} values; it is {value!r}")
        types = (of[0],) * len(value) if of[-1] is Ellipsis else of
        below = {str(place): item for place, item in enumerate(value)}
        return tuple(_each(below, lambda place, item: self._converter.structure(item, types[int(place)])).values())

    def _optional(self, value: object, kind: Any) -> Any:  # noqa: ANN401 - a union
        (some,) = (option for option in get_args(kind) if option is not type(None))
        return None if value is None else self._converter.structure(value, some)

    def _table_writer(self, cls: type[attrs.AttrsInstance]) -> Callable[[Any], dict[str, Any]]:
        if issubclass(cls, Part):
            return self._write_part
        names: Any = {
            field.name: override(rename=key_of(field)) for field in attrs.fields(cls) if KEY in field.metadata
        }
        return make_dict_unstructure_fn(cls, self._converter, _cattrs_use_alias=True, **names)

    def _write_part(self, part: Part) -> dict[str, Any]:
        """Write the fields of the part itself, whatever contract it stands for."""
        fields = make_dict_unstructure_fn(type(part), self._converter, _cattrs_use_alias=True)
        return {USE: self._registry.entry(part).name, **fields(part)}


def key_of(field: attrs.Attribute[Any]) -> str:
    """Return the key that stands for a field in a recipe.

    Args:
        field: A field of an attrs class.
    """
    return str(field.metadata.get(KEY) or field.alias or field.name)


def _each(table: Mapping[str, object], make: Callable[[str, object], Any]) -> dict[str, Any]:
    """Make every value of a table, and report the faults of all together."""
    made: dict[str, Any] = {}
    faults: list[tuple[Key, str]] = []
    for name, value in table.items():
        try:
            made[name] = make(name, value)
        except _FaultyError as error:
            faults += [((name, *key), what) for key, what in error.faults]
        except ValueFaultError as error:
            faults.append(((name, *error.key), str(error)))
        except ExceptionGroup as group:  # of a validator that found several
            faults += [((name, *getattr(error, "key", ())), str(error)) for error in group.exceptions]
        except (ValueError, TypeError, OverflowError, StructureHandlerNotFoundError) as error:  # of attrs or cattrs
            faults.append(((name,), _worded(error)))
    if faults:
        raise _FaultyError(faults)
    return made


def _strict(scalar: type) -> Callable[[object, object], object]:
    def check(value: object, _: object) -> object:
        if scalar is float and type(value) is int:
            value = float(value)
        if type(value) is not scalar:
            raise ValueFaultError(f"must be {TYPES[scalar]}; it is {value!r}")
        if isinstance(value, float) and not isfinite(value):
            raise ValueFaultError(f"must be finite; it is {value!r}")
        return value

    return check


def _literal(value: object, kind: Any) -> object:  # noqa: ANN401 - a generic alias
    allowed = get_args(kind)
    if any(type(value) is type(option) and value == option for option in allowed):
        return value
    words = isinstance(value, str) and all(isinstance(option, str) for option in allowed)
    hint = Hint(str(value), allowed) if words else f"there is {listed(allowed)}"
    raise ValueFaultError(f"cannot be {value!r}; {hint}")


def _generic(of: object) -> Callable[[Any], bool]:
    """Recognise a generic type by its origin."""
    return lambda kind: get_origin(kind) is of


def _optional(kind: Any) -> bool:  # noqa: ANN401 - any type
    return get_origin(kind) in {Union, type(int | None)} and type(None) in get_args(kind) and len(get_args(kind)) == 2  # noqa: PLR2004 - the other one and None


def _worded(error: Exception) -> str:
    """Word an error of attrs' validators like the others, without the field's name."""
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    _, quoted, rest = text.partition("' ")
    return rest.strip() if quoted and text.startswith("'") else text


def _without_none(value: Any) -> Any:  # noqa: ANN401 - nested tables
    if isinstance(value, Mapping):
        return {name: _without_none(below) for name, below in value.items() if below is not None}
    if isinstance(value, list | tuple):
        return [_without_none(below) for below in value]
    return value
