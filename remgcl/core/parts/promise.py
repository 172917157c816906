"""What a contract's method must return, declared beside the method, and how a breach is worded.

`registry.boundary` holds every call of a registered part to it, so that no wrong value travels on
and comes up as an error of something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from numbers import Integral, Real
from textwrap import shorten
from typing import Any, TypeAlias, TypeVar

from attrs import frozen

from remgcl.core.errors import PluginError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

Flaw: TypeAlias = Callable[..., str | None]
"""Says of a result, and of the arguments of its call, what is wrong with it; nothing if it is as expected."""

Check: TypeAlias = Callable[[Any], bool]
"""Tells whether a value is as expected."""

PROMISE = "__promise__"
"""The attribute of a contract's method that holds its promise."""

SHOWN = 160
"""Most characters of a wrong value that an error shows."""


@frozen
class Promise:
    """What a method returns.

    Attributes:
        expected: What it must return, in words.
        flaw: Returns what is wrong with a result.
        held: Wraps what is returned, where that is called in its turn; it takes
            the result and who made it.
    """

    expected: str
    flaw: Flaw
    held: Callable[[Any, str], Any] | None = None

    def hold(self, result: Any, who: str, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever a method returns
        """Verify a result, and wrap it if its own calls have a contract.

        Args:
            result: The returned value.
            who: Plugin, part and method.
            *given: The arguments of the call.
            **named: Its arguments by name.

        Raises:
            PluginError: It is not what was expected.
        """
        wrong = self.flaw(result, *given, **named)
        if wrong is not None:
            raise PluginError(f"{who}: must return {self.expected}; it returned {wrong}")
        return result if self.held is None else self.held(result, who)


def returns(expected: str, flaw: Flaw, held: Callable[[Any, str], Any] | None = None) -> Callable[[F], F]:
    """Declare what a method of a contract returns.

    Args:
        expected: In words.
        flaw: Returns what is wrong with a result.
        held: Wraps what is returned, where that is called in its turn.
    """

    def declare(method: F) -> F:
        setattr(method, PROMISE, Promise(expected, flaw, held))
        return method

    return declare


def kept(method: Callable[..., Any], result: T, who: str) -> T:
    """Verify the result of a function in place of a contract's method.

    Args:
        method: The contract's method.
        result: The returned value.
        who: Plugin, part and method.

    Raises:
        PluginError: It is not what the method must return.
    """
    promise: Promise = getattr(method, PROMISE)
    return promise.hold(result, who)  # type: ignore[no-any-return]


@contextmanager
def contained(who: str) -> Iterator[None]:
    """Turn what would end the program without a word into an error that names who raised it.

    Args:
        who: Plugin, part and method.

    Raises:
        PluginError: `SystemExit` was raised inside, or another exception that no program catches.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PluginError(
            f"{who}: raised {error!r}, which would end the program; raise an Exception instead"
        ) from error


def that(check: Check) -> Flaw:
    """Expect a value that passes a check.

    Args:
        check: The check.
    """
    return lambda result, *_, **__: None if check(result) else shown(result)


def instance(cls: type, checks: Mapping[str, Check] | None = None) -> Flaw:
    """Expect an instance of a class whose attributes pass checks.

    Args:
        cls: The class.
        checks: The checks by attribute.
    """

    def flaw(result: Any, *_: Any, **__: Any) -> str | None:  # noqa: ANN401 - whatever a method returns
        if not isinstance(result, cls):
            return shown(result)
        wrong = (name for name, check in (checks or {}).items() if not check(getattr(result, name)))
        return next((f"one whose {name} is {shown(getattr(result, name))}" for name in wrong), None)

    return flaw


def whole(least: int = 0) -> Check:
    """Check for a whole number.

    Args:
        least: The smallest.
    """
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def number(value: object) -> bool:
    """Return whether a value is a finite number.

    Args:
        value: Any value.
    """
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def text(value: object) -> bool:
    """Return whether a value is a text that is not empty.

    Args:
        value: Any value.
    """
    return isinstance(value, str) and bool(value)


def is_a(cls: type | tuple[type, ...]) -> Check:
    """Check for instances of a class.

    Args:
        cls: The class, or several.
    """
    return lambda value: isinstance(value, cls)


def several(check: Check, count: int | None = None) -> Check:
    """Check for a tuple or list whose items all pass a check.

    Args:
        check: The check of an item.
        count: How many there must be.
    """
    return lambda value: isinstance(value, tuple | list) and count in {None, len(value)} and all(map(check, value))


def module(value: object) -> bool:
    """Return whether a value is a module of torch.

    Args:
        value: Any value.
    """
    from torch import nn

    return isinstance(value, nn.Module)


def scalar(value: object) -> bool:
    """Return whether a value is a tensor `[]`.

    Args:
        value: Any value.
    """
    from torch import Tensor

    return isinstance(value, Tensor) and value.ndim == 0


def shown(value: object) -> str:
    """Show a wrong value in an error, even if it is long or its repr raises.

    Args:
        value: The value.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of shape {tuple(shape)} and type {getattr(value, 'dtype', None)}"
    try:
        return shorten(repr(value), SHOWN, placeholder=" ...")
    except Exception:  # noqa: BLE001 - a part's own `__repr__` may raise anything
        return f"a {type(value).__name__}"
