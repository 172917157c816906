"""TOML values to attrs classes and back, strictly, with all faults at once.

No value is coerced, but for a whole number where a real one is due; no key is
ignored. A part is found by the `use` of its table; in a table of parts the key
is the default of `use`; a part without settings may be given by its name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from remgcl.core.document import USE, Document, Key
from remgcl.core.errors import Hint, RecipeError, RemgclError, ValueFaultError, listed
from remgcl.core.parts import Part
from remgcl.core.registry import KINDS, Registry

T = TypeVar("T")

TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
"""How a scalar type is called in an error."""


class Structure:
    """Makes attrs classes from tables and tables from attrs classes."""

    def __init__(self, registry: Registry) -> None:
        """Prepare for the parts of a registry.

        Args:
            registry: Where `use` is looked up.
        """
        self._registry = registry
        self._kinds = {contract: kind for kind, contract in KINDS.items()}
        self._converter = Converter(forbid_extra_keys=True, detailed_validation=True)
        for scalar in TYPES:
            self._converter.register_structure_hook(scalar, _strict(scalar))
        add = self._converter.register_structure_hook_func
        add(_generic(tuple), self._tuple)
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
        except (BaseValidationError, ValueError) as error:
            faults = [document.fault(key, what) for key, what in _faults(error, ())]
        raise RecipeError(faults)

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
        return make_dict_structure_fn(cls, self._converter, _cattrs_forbid_extra_keys=True)(value, cls)

    def _part(self, value: object, contract: type[Part], default: str | None) -> Part:
        kind = self._kinds[contract]
        if isinstance(value, str):
            value = {USE: value}
        if not isinstance(value, Mapping):
            raise ValueFaultError(f"must be a table or the name of a part; it is {value!r}")
        name = value.get(USE, default)
        if name is None:
            raise ValueFaultError(f"misses the key 'use'; there is {listed(self._registry.names(kind))}")
        if not isinstance(name, str):
            raise ValueFaultError(f"'use' must be the name of a part; it is {name!r}")
        try:
            part = self._registry.find(kind, name)
        except RemgclError as error:
            raise ValueFaultError(str(error)) from None
        settings = {key: below for key, below in value.items() if key != USE}
        return self._attrs(settings, part)  # type: ignore[no-any-return]

    def _dict(self, value: object, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a generic alias
        of = get_args(kind)[1]
        if of in self._kinds:
            return self._each(value, lambda name, below: self._part(below, of, name))
        return self._each(value, lambda _, below: self._converter.structure(below, of))

    def _each(self, value: object, make: Callable[[str, object], Any]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueFaultError(f"must be a table; it is {value!r}")
        made, errors = {}, []
        for name, below in value.items():
            try:
                made[name] = make(name, below)
            except (BaseValidationError, ValueError) as error:
                error.__notes__ = [IterableValidationNote("in a table", name, Any)]
                errors.append(error)
        if errors:
            raise IterableValidationError("in a table", errors, dict)
        return made

    def _tuple(self, value: object, kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a generic alias
        if not isinstance(value, list | tuple):
            raise ValueFaultError(f"must be a list; it is {value!r}")
        of = get_args(kind)
        if of[-1] is not Ellipsis and len(of) != len(value):
            raise ValueFaultError(f"must have {len(of)} values; it is {value!r}")
        types = (of[0],) * len(value) if of[-1] is Ellipsis else of
        below = {str(place): item for place, item in enumerate(value)}
        made = self._each(below, lambda place, item: self._converter.structure(item, types[int(place)]))
        return tuple(made.values())

    def _optional(self, value: object, kind: Any) -> Any:  # noqa: ANN401 - a union
        (some,) = (option for option in get_args(kind) if option is not type(None))
        return None if value is None else self._converter.structure(value, some)

    def _table_writer(self, cls: type[attrs.AttrsInstance]) -> Callable[[Any], dict[str, Any]]:
        if issubclass(cls, Part):
            return self._write_part
        return make_dict_unstructure_fn(cls, self._converter)

    def _write_part(self, part: Part) -> dict[str, Any]:
        """Write the fields of the part itself, whatever contract it stands for."""
        fields = make_dict_unstructure_fn(type(part), self._converter)
        return {USE: self._registry.entry(part).name, **fields(part)}


def _strict(scalar: type) -> Callable[[object, object], object]:
    def check(value: object, _: object) -> object:
        if type(value) is scalar:
            return value
        if scalar is float and type(value) is int:
            return float(value)
        raise ValueFaultError(f"must be {TYPES[scalar]}; it is {value!r}")

    return check


def _literal(value: object, kind: Any) -> object:  # noqa: ANN401 - a generic alias
    allowed = get_args(kind)
    if value in allowed:
        return value
    hint = Hint(value, allowed) if isinstance(value, str) else f"there is {listed(allowed)}"
    raise ValueFaultError(f"cannot be {value!r}; {hint}")


def _generic(of: object) -> Callable[[Any], bool]:
    """Recognise a generic type by its origin."""
    return lambda kind: get_origin(kind) is of


def _optional(kind: Any) -> bool:  # noqa: ANN401 - any type
    return get_origin(kind) in {Union, type(int | None)} and type(None) in get_args(kind) and len(get_args(kind)) == 2  # noqa: PLR2004 - the other one and None


def _faults(error: BaseException, at: Key) -> Iterator[tuple[Key, str]]:
    """Flatten cattrs' tree of errors to keys and what is wrong with them."""
    if isinstance(error, BaseValidationError):
        for below in error.exceptions:
            yield from _faults(below, (*at, *_step(below)))
    elif isinstance(error, ForbiddenExtraKeysError):
        known = tuple(field.alias or field.name for field in attrs.fields(error.cl) if field.init)
        for name in sorted(error.extra_fields):
            yield (*at, name), f"is not a key here; {Hint(name, known)}"
    elif isinstance(error, KeyError):
        yield at, "is missing"
    elif isinstance(error, ValueFaultError):
        yield (*at, *error.key), str(error)
    else:
        yield at, _worded(error)


def _step(error: BaseException) -> Key:
    """Read the key that cattrs noted on an error."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return (note.name,)
        if isinstance(note, IterableValidationNote):
            return (str(note.index),)
    return ()


def _worded(error: BaseException) -> str:
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
