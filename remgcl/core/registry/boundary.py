"""The one place where the core calls into parts: every method of a registered class is held to its contract.

A wrong value is refused where it comes from, by plugin, part and method, and nothing that a part raises can end
the program without a word.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partialmethod, update_wrapper
from types import FunctionType
from typing import Any

from remgcl.core.parts import Part
from remgcl.core.parts.promise import PROMISE, Promise, contained
from remgcl.core.registry.contract import members
from remgcl.core.registry.hookspecs import PROJECT

OWN = "__own__"
"""The attribute of a method that is held to its contract: the method as the class wrote it."""


def hold(part: type[Part], contract: type[Part], who: str) -> None:
    """Let every call of a contract's method on a class come through here.

    Args:
        part: The class.
        contract: The contract of its kind.
        who: Plugin and part, for errors.
    """
    for name, due in members(contract).items():
        there = inspect.getattr_static(part, name)
        own = getattr(_function(there), OWN, there)
        if own is due or not isinstance(own, FunctionType | property | classmethod | staticmethod | partialmethod):
            continue
        promise: Promise | None = getattr(_function(due), PROMISE, None)
        if promise is None and part.__module__.startswith(f"{PROJECT}."):
            continue  # a runner of this project runs parts of others, which are named themselves
        if isinstance(own, property):
            setattr(part, name, property(_held(own, promise, f"{who}: {name}"), doc=own.__doc__))
            continue
        held = _held(own, promise, f"{who}: {name}")
        update_wrapper(held, getattr(own, "__func__", own))  # type: ignore[arg-type]
        signature = inspect.signature(own.__get__(object.__new__(part), part))
        itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        held.__signature__ = inspect.Signature([itself, *_behind(signature)])  # type: ignore[attr-defined]
        setattr(part, name, held)


def _behind(signature: inspect.Signature) -> list[inspect.Parameter]:
    """Return the parameters of a bound method, none of which can take the name of the first."""
    return [parameter for parameter in signature.parameters.values() if parameter.name != "self"]


def _function(member: Any) -> Any:  # noqa: ANN401 - a method or a property
    return member.fget if isinstance(member, property) else member


def _held(own: Any, promise: Promise | None, who: str) -> Callable[..., Any]:  # noqa: ANN401 - any descriptor
    """Make the function that calls a method, or reads a property."""

    def call(self: Part, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever a method takes and returns
        with contained(who):
            bound = own.__get__(self, type(self))
            result = bound if isinstance(own, property) else bound(*given, **named)
        return result if promise is None else promise.hold(result, who, *given, **named)

    setattr(call, OWN, own)
    return call
