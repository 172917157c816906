"""Checks that a class keeps the contract of its kind, before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partialmethod
from types import FunctionType
from typing import Any

import attrs

from remgcl.core.errors import listed
from remgcl.core.parts import Part


def breaches(part: type[Part], contract: type[Part]) -> Iterator[str]:
    """Say how a class breaks a contract, and what to write instead.

    Args:
        part: The class.
        contract: The contract of its kind.
    """
    if "__attrs_attrs__" not in vars(part) or attrs.fields_dict(part).keys() - _settable(part):
        yield f"{part.__name__} is not a frozen attrs class of keywords; decorate it with @frozen(kw_only=True)"
        return
    missing = sorted(getattr(part, "__abstractmethods__", ()))
    if missing:
        yield f"{part.__name__} does not define {listed(missing)}"
        return
    yield from _shared_defaults(part)
    yield from _requirements(part)
    for name, due in members(contract).items():
        own = inspect.getattr_static(part, name)
        if own is not due:
            yield from _property(part, name, own) if isinstance(due, property) else _method(part, name, own, due)


def _settable(part: type[Part]) -> set[str]:
    """Name the fields that a recipe can set, if the class is frozen."""
    if part.__setattr__ is object.__setattr__:
        return set()
    return {field.name for field in attrs.fields(part) if field.init and field.kw_only}


def _shared_defaults(part: type[Part]) -> Iterator[str]:
    """Report mutable defaults, which every part would share."""
    for field in attrs.fields(part):
        default = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            continue
        try:
            hash(default)
        except TypeError:
            factory = type(default).__name__ if default in ([], {}, set()) else f"lambda: {default!r}"
            yield (
                f"{part.__name__}.{field.name} has a default that can be changed, {default!r}; "
                f"write field(factory={factory}), or a tuple"
            )


def _requirements(part: type[Part]) -> Iterator[str]:
    """Report libraries that are not named as the contract requires."""
    requires = inspect.getattr_static(part, "requires")
    if not isinstance(requires, Mapping) or not all(
        isinstance(text, str) for pair in requires.items() for text in pair
    ):
        yield (
            f"{part.__name__}.requires is {requires!r}; it must map the names of libraries to requirements of pip, "
            "such as {'timm': 'remgcl[timm]'}"
        )


def members(contract: type[Part]) -> dict[str, Any]:
    """Return the methods and properties of a contract, by name.

    Args:
        contract: The contract of a kind.
    """
    bases = [base for base in reversed(contract.__mro__) if issubclass(base, Part)]
    members = {name: member for base in bases for name, member in vars(base).items()}
    return {
        name: member
        for name, member in members.items()
        if isinstance(member, FunctionType | property) and (name == "__call__" or not name.startswith("_"))
    }


def _property(part: type[Part], name: str, own: object) -> Iterator[str]:
    if isinstance(own, FunctionType | classmethod | staticmethod):
        yield f"{part.__name__}.{name} is a method; the contract requires a property: decorate it with @property"


def _method(part: type[Part], name: str, own: object, due: Callable[..., Any]) -> Iterator[str]:
    wanted = list(inspect.signature(due).parameters.values())
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in wanted]
    fix = f"write {name}{inspect.Signature(bare)}"
    if not callable(own) and not isinstance(own, classmethod | staticmethod | partialmethod):
        yield f"{part.__name__}.{name} hides a method of the contract; give it another name, or {fix}"
        return
    signature = inspect.signature(getattr(object.__new__(part), name))
    due_alone = [each for each in wanted[1:] if each.default is each.empty]
    if not (_takes(signature, wanted[1:]) and _takes(signature, due_alone)):
        yield f"{part.__name__}.{name} cannot be called as the contract says; {fix}"


def _takes(signature: inspect.Signature, parameters: list[inspect.Parameter]) -> bool:
    """Return whether a function can be called with arguments for some parameters."""
    by_name = {each.name: each for each in parameters if each.kind is each.KEYWORD_ONLY}
    try:
        signature.bind(*(each for each in parameters if each.name not in by_name), **by_name)
    except TypeError:
        return False
    return True
