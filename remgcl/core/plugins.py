"""Plugins in: found, loaded, and refused where they break a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

import pluggy

from remgcl.core import hookspecs
from remgcl.core.errors import Hint, PluginError, listed


def load(points: Iterable[EntryPoint] | None = None) -> pluggy.PluginManager:
    """Load every plugin that an installed distribution declares.

    Args:
        points: The entry points; those of the group ``remgcl`` by default.

    Raises:
        PluginError: Two have one name, one cannot be imported, or one breaks a rule of `manage`.
    """
    plugins: dict[str, object] = {}
    owners: dict[str, EntryPoint] = {}
    for point in entry_points(group=hookspecs.PROJECT) if points is None else points:
        old = owners.setdefault(point.name, point)
        if old is not point:
            raise PluginError(f"plugin {point.name!r} is there twice; by {origin(old)} and by {origin(point)}")
        try:
            plugins[point.name] = point.load()
        except Exception as error:  # a plugin may raise anything while it is imported
            raise PluginError(f"plugin {point.name!r} of {origin(point)}: cannot be imported; {error!r}") from error
    return manage(plugins)


def manage(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Give plugins to a manager that knows the hooks.

    Args:
        plugins: Modules or objects with hook implementations, by name.

    Raises:
        PluginError: One implements a hook that does not exist or with other
            arguments, or implements none.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = tuple(name for name in vars(hookspecs) if name.startswith(hookspecs.PREFIX))
    for name, plugin in plugins.items():
        try:
            manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(f"plugin {name!r}: {_reason(error)}") from error
        except ValueError as error:
            raise PluginError(f"plugin {name!r}: is registered under another name already; {_reason(error)}") from error
        hooks = [caller.name for caller in manager.get_hookcallers(plugin) or ()]
        for hook in sorted(set(hooks) - set(known)):
            raise PluginError(f"plugin {name!r}: implements {hook!r}, which is no hook; {Hint(hook, known)}")
        if not hooks:
            raise PluginError(f"plugin {name!r}: implements no hook with @hookimpl; there is {listed(known)}")
    return manager


def versions() -> dict[str, str]:
    """Name the installed plugins with their distribution and its version."""
    return {point.name: origin(point) for point in entry_points(group=hookspecs.PROJECT)}


def origin(point: EntryPoint) -> str:
    """Name the distribution of an entry point, with its version and module.

    Args:
        point: The entry point.
    """
    dist = point.dist
    return f"{dist.name} {dist.version} ({point.value})" if dist else point.value


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
