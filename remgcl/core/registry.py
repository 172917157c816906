"""Parts by kind and name, and the plugin each comes from.

The kinds are read off `hookspecs`: the name of a register hook is the kind,
its return annotation is the contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import attrs
import pluggy
from attrs import frozen

from remgcl.core import hookspecs
from remgcl.core.errors import Hint, PluginError, listed
from remgcl.core.parts import Part

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _kinds() -> dict[str, type[Part]]:
    """Read the kinds and their contracts off the hook specifications."""
    return {
        name.removeprefix(hookspecs.PREFIX): get_args(get_args(get_type_hints(hook)["return"])[1])[0]
        for name, hook in vars(hookspecs).items()
        if name.startswith(hookspecs.PREFIX)
    }


KINDS: Mapping[str, type[Part]] = _kinds()
"""The contract of each kind of part, by the kind's name."""


@frozen
class Registered:
    """A part that a recipe can name.

    Attributes:
        kind: Its kind, such as ``losses``.
        name: Its name in recipes.
        part: Its class.
        plugin: The plugin that registered it.
    """

    kind: str
    name: str
    part: type[Part]
    plugin: str


class Registry:
    """All parts that the plugins of an engine registered."""

    def __init__(self, manager: pluggy.PluginManager, broken: Mapping[str, str] | None = None) -> None:
        """Ask every plugin for its parts.

        Args:
            manager: Knows the hook specifications and the plugins.
            broken: Why plugins could not be loaded, told where a part is missing.

        Raises:
            PluginError: A hook raises or answers something else than parts of
                its kind, or two parts have one name.
        """
        self._broken = tuple((broken or {}).values())
        self._parts: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        self._names: dict[type[Part], Registered] = {}
        for kind in KINDS:
            hook = getattr(manager.hook, hookspecs.PREFIX + kind)
            for implementation in hook.get_hookimpls():
                self._add_all(kind, implementation.function, implementation.plugin_name)

    def __iter__(self) -> Iterator[Registered]:
        """Give every part, kind after kind, by name."""
        for parts in self._parts.values():
            yield from (parts[name] for name in sorted(parts))

    def names(self, kind: str) -> tuple[str, ...]:
        """Give the names of all parts of a kind, sorted.

        Args:
            kind: A key of `KINDS`.
        """
        return tuple(sorted(self._parts[kind]))

    def find(self, kind: str, name: str) -> type[Part]:
        """Find a part by its name.

        Args:
            kind: A key of `KINDS`.
            name: As in recipes.

        Raises:
            PluginError: There is none of that name; the nearest is offered.
        """
        return self.entry_of(kind, name).part

    def entry_of(self, kind: str, name: str) -> Registered:
        """Find a part by its name, with the plugin it comes from.

        Args:
            kind: A key of `KINDS`.
            name: As in recipes.

        Raises:
            PluginError: There is none of that name; the nearest is offered.
        """
        try:
            return self._parts[kind][name]
        except KeyError:
            told = "; ".join([str(Hint(name, self.names(kind))), *self._broken])
            raise PluginError(f"no part {name!r} among the {kind}; {told}") from None

    def entry(self, part: Part) -> Registered:
        """Tell kind, name and plugin of a part.

        Args:
            part: An instance of a registered class.

        Raises:
            PluginError: No plugin registered it.
        """
        try:
            return self._names[type(part)]
        except KeyError:
            raise PluginError(f"{_path(type(part))}: no plugin of this engine registers it") from None

    def _add_all(self, kind: str, hook: Callable[[], Any], plugin: str) -> None:
        where = f"plugin {plugin!r}: {hookspecs.PREFIX}{kind}"
        try:
            answer = hook()
        except Exception as error:  # a plugin may raise anything
            raise PluginError(f"{where}: raises {error!r}") from error
        if not isinstance(answer, Mapping):
            raise PluginError(f"{where}: must answer a mapping of names to classes; it answers {answer!r}")
        for name, part in answer.items():
            self._refuse(where, kind, name, part)
            self._add(Registered(kind, name, part, plugin))

    def _refuse(self, where: str, kind: str, name: object, part: object) -> None:
        """Raise if a name or a class breaks the contract of its kind."""
        contract = KINDS[kind]
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise PluginError(f"{where}: {name!r} cannot be a name; letters, digits, '-' and '_' can")
        if not isinstance(part, type) or not issubclass(part, contract):
            raise PluginError(f"{where}: {name!r} is {part!r}; it must be a subclass of remgcl.{contract.__name__}")
        if "__attrs_attrs__" not in vars(part) or attrs.fields_dict(part).keys() - _settable(part):
            raise PluginError(
                f"{where}: {name!r}: {part.__name__} is not a frozen attrs class of keywords; "
                "decorate it with @frozen(kw_only=True)"
            )
        missing = sorted(getattr(part, "__abstractmethods__", ()))
        if missing:
            raise PluginError(f"{where}: {name!r}: {part.__name__} does not define {listed(missing)}")

    def _add(self, new: Registered) -> None:
        """Keep a part, or raise if its name or class is taken."""
        old = self._parts[new.kind].get(new.name)
        if old is not None:
            raise PluginError(
                f"{new.kind}: {new.name!r} is registered twice; "
                f"by plugin {old.plugin!r} ({_path(old.part)}) and by plugin {new.plugin!r} ({_path(new.part)})"
            )
        twin = self._names.get(new.part)
        if twin is not None:
            raise PluginError(
                f"{new.kind}: {_path(new.part)} has two names; {twin.name!r} by plugin {twin.plugin!r} "
                f"and {new.name!r} by plugin {new.plugin!r}"
            )
        self._parts[new.kind][new.name] = self._names[new.part] = new


def _settable(part: type[Part]) -> set[str]:
    """Name the fields that a recipe can set, if the class is frozen."""
    if part.__setattr__ is object.__setattr__:
        return set()
    return {field.name for field in attrs.fields(part) if field.init and field.kw_only}


def _path(part: type[Part]) -> str:
    return f"{part.__module__}.{part.__qualname__}"
