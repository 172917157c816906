"""The base of all kinds' checks: the part, and the message of a broken promise."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import tomli_w

from remgcl.core.engine import Engine
from remgcl.core.errors import PluginError, RecipeError, listed
from remgcl.core.parts import Part
from remgcl.core.recipe.document import Document
from remgcl.core.recipe.schema import described
from remgcl.core.recipe.structure import Structure
from remgcl.core.registry import loading as plugins
from remgcl.core.registry.hookspecs import PREFIX, PROJECT, hookimpl
from remgcl.core.registry.registry import KINDS, Registry

HEAVY = ("torch", "transformers", "timm", "open_clip", "deepspeed", "ray", "rapidocr", "paddleocr", "onnxruntime")
"""Libraries that reading a recipe must not import."""


class PartChecks:
    """What every part promises, whatever its kind."""

    @pytest.fixture
    def part(self) -> Part:
        """The part to check; a subclass provides it."""
        raise NotImplementedError(f"{type(self).__name__}: there is no part; give it by a fixture 'part'")

    def test_its_settings_survive_toml(self, part: Part) -> None:
        """A part that is written as TOML and read again is equal, so that a recipe holds every setting."""
        structure = Structure(engine_with(part).registry)
        holder: Any = attrs.make_class("Holder", {"part": attrs.field(type=KINDS[kind_of(part)])}, frozen=True)
        try:
            text = tomli_w.dumps(structure.write(holder(part)))
            again: Part = structure.read(Document("conformance", tomllib.loads(text)), holder).part
        except (RecipeError, TypeError) as error:
            raise broken(part, f"its settings cannot be written as TOML and read again; {error}") from error
        if again != part:
            raise broken(part, f"is {part!r}, and {again!r} once it was written as TOML; give fields types of TOML")

    def test_its_docstring_tells_every_setting(self, part: Part) -> None:
        """The docstring describes the part and, under Attributes, each field."""
        summary = (vars(type(part)).get("__doc__") or "").partition("\n")[0]
        if not summary.endswith("."):
            raise broken(part, "its docstring has no first line that ends with a full stop; say there what it is")
        meanings = described(type(part))
        silent = [field.name for field in attrs.fields(type(part)) if not meanings.get(field.name)]
        if silent:
            raise broken(
                part, f"its docstring does not document {listed(silent)}; say under 'Attributes:' what each is"
            )

    def test_reading_it_imports_no_heavy_library(self, part: Part) -> None:
        """Reading the part imports no heavy library such as torch; import those inside `build`."""
        if _registered(part):
            plugin = _installed().registry.entry(part).plugin
            imported = _heavy_imports(plugin)
            if imported:
                raise broken(
                    part, f"importing plugin {plugin!r} imports {listed(imported)}; import them inside methods"
                )


def broken(part: Part, what: str) -> AssertionError:
    """Word a promise that a part breaks.

    Args:
        part: The part.
        what: What is wrong, and how to fix it.
    """
    return AssertionError(f"{named(part)}: {what}")


def named(part: Part) -> str:
    """Name a part as an error does: kind, name, class and plugin.

    Args:
        part: The part.
    """
    kind, cls = kind_of(part), type(part).__qualname__
    if not _registered(part):
        return f"{kind}: {cls} (no installed plugin registers it)"
    entry = _installed().registry.entry(part)
    return f"{kind}: {entry.name!r} ({cls} of plugin {entry.plugin!r})"


def kind_of(part: Part) -> str:
    """Return the kind of a part by its contract.

    Args:
        part: An instance.

    Raises:
        PluginError: It is of none.
    """
    for kind, contract in KINDS.items():
        if isinstance(part, contract):
            return kind
    classes = listed(f"remgcl.{contract.__name__}" for contract in KINDS.values())
    raise PluginError(f"{part!r}: is no instance of a kind of part; there is {classes}")


def engine_with(part: Part) -> Engine:
    """Make an engine that knows a part, and all that is installed.

    Args:
        part: The part.

    Raises:
        PluginError: Its class could not be registered by a plugin.
    """
    return _installed() if _registered(part) else _registering(type(part), kind_of(part))


@cache
def _installed() -> Engine:
    return Engine.installed()


def _registered(part: Part) -> bool:
    return any(entry.part is type(part) for entry in _installed().registry)


@cache
def _registering(part: type[Part], kind: str) -> Engine:
    """Make an engine of the installed plugins and one more, which registers a class."""
    hook = PREFIX + kind

    def register() -> dict[str, type[Part]]:
        return {"conformance": part}

    register.__name__ = hook
    loaded = plugins.load()
    loaded.manager.register(SimpleNamespace(**{hook: hookimpl(register)}), "conformance")
    return Engine(Registry(loaded.manager, loaded.broken), loaded.broken)


@cache
def _heavy_imports(plugin: str) -> list[str]:
    """Name the heavy libraries that importing a plugin imports, in a fresh interpreter."""
    module = entry_points(group=PROJECT)[plugin].module
    program = f"import {module}, sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return done.stdout.split()


def docs_of(checks: type[PartChecks]) -> dict[str, str]:
    """Return the promise of each check by its name.

    Args:
        checks: The checks of a kind.
    """
    found = inspect.getmembers(checks, inspect.isfunction)
    return {name: inspect.getdoc(check) or "" for name, check in found if name.startswith("test_")}
