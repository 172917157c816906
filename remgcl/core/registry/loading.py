"""Plugins in: found, loaded, and refused where they break a rule."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

import pluggy
from attrs import frozen

from remgcl.core.errors import Hint, PluginError, listed
from remgcl.core.registry import hookspecs

_log = logging.getLogger("remgcl")

API = 1
"""The version of the public API; it changes when a plugin must change."""

WITHOUT = "REMGCL_WITHOUT"
"""The environment variable that names plugins to leave out, with commas."""


@frozen
class Loaded:
    """The plugins that there are.

    Attributes:
        manager: Knows the hooks and the plugins.
        broken: Why each plugin that could not be imported was left out.
        off: The same of each plugin that is switched off.
    """

    manager: pluggy.PluginManager
    broken: dict[str, str]
    off: dict[str, str]


def load(points: Iterable[EntryPoint] | None = None) -> Loaded:
    """Load every plugin that an installed distribution declares, but those that are switched off.

    A plugin that cannot be imported is left out too.

    Args:
        points: The entry points; those of the group ``remgcl`` by default.

    Raises:
        PluginError: Two have one name, one was made for another version of the
            API, one breaks a rule of `manage`, or there is no such plugin to switch off.
    """
    plugins: dict[str, object] = {}
    owners: dict[str, EntryPoint] = {}
    broken: dict[str, str] = {}
    for point in entry_points(group=hookspecs.PROJECT) if points is None else points:
        old = owners.setdefault(point.name, point)
        if old is not point:
            raise PluginError(
                f"plugin {point.name!r} is there twice; by {origin(old)} and by {origin(point)}; uninstall one of them"
            )
    off = {
        name: f"plugin {name!r} of {origin(owners[name])}: is switched off by --without or {WITHOUT}"
        for name in _known(switched_off(), tuple(owners))
    }
    for name, point in owners.items():
        if name in off:
            continue
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", FutureWarning)
                plugins[name] = point.load()
            for warning in caught:
                _log.warning("plugin %r of %s: %s", name, origin(point), warning.message)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything while it is imported, SystemExit too
            broken[name] = f"plugin {name!r} of {origin(point)}: cannot be imported; {error!r}"
            _log.warning("%s; it is left out", broken[name])
            continue
        made_for = getattr(plugins[name], "REMGCL_API", API)
        if made_for != API:
            raise PluginError(
                f"plugin {name!r} of {origin(point)}: was made for version {made_for!r} of the API; this is {API}: "
                f"install a release of it for this one, or leave it out with --without {name}"
            )
    return Loaded(manage(plugins), broken, off)


def switched_off() -> tuple[str, ...]:
    """Read the environment variable that names plugins to leave out."""
    return tuple(sorted({name.strip() for name in os.environ.get(WITHOUT, "").split(",")} - {""}))


def _known(names: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    """Verify that there are plugins of these names."""
    for name in names:
        if name not in there:
            raise PluginError(f"{WITHOUT}: there is no plugin {name!r}; {Hint(name, there)}")
    return names


def manage(plugins: Mapping[str, object]) -> pluggy.PluginManager:
    """Register plugins with a manager that knows the hooks.

    Args:
        plugins: Modules or objects with hook implementations, by name.

    Raises:
        PluginError: One implements a hook that does not exist or with other
            arguments, or implements none.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = tuple(name for name in vars(hookspecs) if name.startswith(f"{hookspecs.PROJECT}_"))
    for name, plugin in plugins.items():
        try:
            manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"plugin {name!r}: {_reason(error)}; write the hook as {hookspecs.__name__} does, with its arguments"
            ) from error
        except ValueError as error:
            raise PluginError(f"plugin {name!r}: is registered under another name already; {_reason(error)}") from error
        hooks = [caller.name for caller in manager.get_hookcallers(plugin) or ()]
        for hook in sorted(set(hooks) - set(known)):
            raise PluginError(f"plugin {name!r}: implements {hook!r}, which is no hook; {Hint(hook, known)}")
        for hook in _unmarked(manager, plugin):
            raise PluginError(
                f"plugin {name!r}: {hook!r} is not marked, so it is never called; write @hookimpl above it"
            )
        if not hooks:
            raise PluginError(f"plugin {name!r}: implements no hook with @hookimpl; there is {listed(known)}")
    return manager


def _unmarked(manager: pluggy.PluginManager, plugin: object) -> list[str]:
    """Name the functions that are called like a hook and lack its mark."""
    named = [name for name in dir(plugin) if name.startswith(f"{hookspecs.PROJECT}_")]
    return [name for name in named if manager.parse_hookimpl_opts(plugin, name) is None]


def versions() -> dict[str, str]:
    """Name the installed plugins with their distribution and its version."""
    return {point.name: origin(point) for point in entry_points(group=hookspecs.PROJECT)}


def distributions() -> dict[str, str]:
    """Name the distribution of each installed plugin, with its version."""
    points = entry_points(group=hookspecs.PROJECT)
    return {point.name: f"{point.dist.name} {point.dist.version}" for point in points if point.dist}


def origin(point: EntryPoint) -> str:
    """Name the distribution of an entry point, with its version and module.

    Args:
        point: The entry point.
    """
    dist = point.dist
    return f"{dist.name} {dist.version} ({point.value})" if dist else point.value


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
