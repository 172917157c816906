"""Parts by kind and name, and the plugin each comes from.

The kinds are read off `hookspecs`: the name of a register hook is the kind,
its return annotation is the contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from typing import Any, get_args, get_type_hints

import pluggy
from attrs import frozen

from remgcl.core.errors import Hint, PluginError
from remgcl.core.parts import Part
from remgcl.core.registry import hookspecs
from remgcl.core.registry.boundary import hold
from remgcl.core.registry.contract import breaches

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


def singular(kind: str) -> str:
    """Name one part of a kind: ``losses`` to ``loss``.

    Args:
        kind: A key of `KINDS`.
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", KINDS[kind].__name__).lower()


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
    """All parts that the plugins of an engine registered.

    Attributes:
        plugins: The names of all plugins, those that were left out among them.
        left_out: Why plugins were left out, by name.
        off: Plugins that a recipe switches off; their parts are not found.
    """

    def __init__(self, manager: pluggy.PluginManager, left_out: Mapping[str, str] | None = None) -> None:
        """Ask every plugin for its parts.

        Args:
            manager: Knows the hook specifications and the plugins.
            left_out: Why plugins were left out, by name; reported if a part is missing.

        Raises:
            PluginError: A hook raises or answers something else than parts of
                its kind, or two parts have one name.
        """
        self.left_out = dict(left_out or {})
        self.plugins = (*(name for name, _ in manager.list_name_plugin()), *self.left_out)
        self.off: frozenset[str] = frozenset()
        self._parts: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        self._names: dict[type[Part], Registered] = {}
        for kind in KINDS:
            hook = getattr(manager.hook, hookspecs.PREFIX + kind)
            for implementation in hook.get_hookimpls():
                self._add_all(kind, implementation.function, implementation.plugin_name)

    def __iter__(self) -> Iterator[Registered]:
        """Return every part, kind after kind, by name."""
        for kind in self._parts:
            yield from (self._parts[kind][name] for name in self.names(kind))

    def without(self, plugins: Collection[str]) -> Registry:
        """Return the registry that a recipe sees which switches plugins off.

        Args:
            plugins: Their names.
        """
        less = copy(self)
        less.off = frozenset(plugins)
        return less

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of all parts of a kind, sorted.

        Args:
            kind: A key of `KINDS`.
        """
        return tuple(sorted(name for name, entry in self._parts[kind].items() if entry.plugin not in self.off))

    def find(self, kind: str, name: str) -> type[Part]:
        """Find a part by its name.

        Args:
            kind: A key of `KINDS`.
            name: As in recipes.

        Raises:
            PluginError: There is no such part; the error offers the nearest name.
        """
        return self.entry_of(kind, name).part

    def entry_of(self, kind: str, name: str) -> Registered:
        """Find a part by its name, with the plugin it comes from.

        Args:
            kind: A key of `KINDS`.
            name: As in recipes.

        Raises:
            PluginError: There is no such part; the error offers the nearest name.
        """
        entry = self._parts[kind].get(name)
        if entry is None:
            hint = "; ".join([str(Hint(name, self.names(kind))), *self.left_out.values()])
        elif entry.plugin in self.off:
            hint = f"plugin {entry.plugin!r}, which is switched off by the recipe, has one"
        else:
            return entry
        raise PluginError(f"no part {name!r} among the {kind}; {hint}")

    def entry(self, part: Part) -> Registered:
        """Return kind, name and plugin of a part.

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
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may raise anything, SystemExit too
            raise PluginError(f"{where}: raises {error!r}") from error
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"{where}: must return a mapping from names to classes, such as {{'name': Class}}; "
                f"it returned {answer!r}"
            )
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
        faults = [f"{where}: {name!r}: {what}" for what in breaches(part, contract)]
        if faults:
            raise PluginError("\n".join(faults))

    def _add(self, new: Registered) -> None:
        """Keep a part, or raise if its name or class is taken."""
        old = self._parts[new.kind].get(new.name)
        if old is not None:
            raise PluginError(
                f"{new.kind}: {new.name!r} is registered twice; "
                f"by plugin {old.plugin!r} ({_path(old.part)}) and by plugin {new.plugin!r} ({_path(new.part)}); "
                "rename one, or leave a plugin out with --without"
            )
        twin = self._names.get(new.part)
        if twin is not None:
            raise PluginError(
                f"{new.kind}: {_path(new.part)} has two names; {twin.name!r} by plugin {twin.plugin!r} "
                f"and {new.name!r} by plugin {new.plugin!r}; give each name its own class"
            )
        self._parts[new.kind][new.name] = self._names[new.part] = new
        hold(new.part, KINDS[new.kind], f"plugin {new.plugin!r}: {new.kind}.{new.name} ({_path(new.part)})")


def _path(part: type[Part]) -> str:
    return f"{part.__module__}.{part.__qualname__}"
