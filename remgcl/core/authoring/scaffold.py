"""A package for a part of one's own, written from templates: one for each kind of part."""

from __future__ import annotations

import re
from importlib import resources
from importlib.metadata import version
from keyword import iskeyword
from pathlib import Path

from remgcl.core.errors import Hint, PluginError, RunError
from remgcl.core.files.whole import writing
from remgcl.core.registry import hookspecs
from remgcl.core.registry import loading as plugins
from remgcl.core.registry.registry import KINDS, Registry, singular

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
"""What can name a part, a distribution and a module."""

TEMPLATES = resources.files(hookspecs.PROJECT) / "scaffold"
"""The templates: `KIND.py.jinja` for the module of each kind, and one for each other file."""


def kind_of(given: str) -> str:
    """Find a kind of part by its name, or by that of one part of it.

    Args:
        given: Such as ``losses`` or ``loss``.

    Raises:
        PluginError: No such kind; the error offers the nearest name.
    """
    names = {name: kind for kind in KINDS for name in (singular(kind), kind)}
    if given not in names:
        raise PluginError(f"no kind of part {given!r}; {Hint(given, tuple(map(singular, KINDS)))}")
    return names[given]


def verify_name(name: str, kind: str, registry: Registry) -> None:
    """Verify that a part and its package can have a name.

    Args:
        name: The name.
        kind: A key of `KINDS`.
        registry: The parts there are.

    Raises:
        PluginError: It cannot be one, or is taken; the error says by what.
    """
    if not NAME.fullmatch(name):
        raise PluginError(
            f"{name!r} cannot name a package; lower-case letters and digits can, a letter first, "
            "words joined by '-' or '_'"
        )
    if name in registry.names(kind):
        raise PluginError(f"{kind}: {name!r} is taken by plugin {registry.entry_of(kind, name).plugin!r}")
    for plugin, origin in plugins.versions().items():
        if re.sub("[-_.]+", "-", plugin) == name.replace("_", "-"):
            raise PluginError(f"plugin {plugin!r} is installed already; by {origin}")


def package(name: str, kind: str) -> dict[Path, str]:
    """Write the files of a package with one part.

    Args:
        name: The part's name.
        kind: A key of `KINDS`.

    Returns:
        The files by their paths in the package.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - nothing here is HTML
        loader=FunctionLoader(_read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    underscored = name.replace("-", "_")
    module = f"{hookspecs.PROJECT}_{underscored}"
    wanted = {
        Path("pyproject.toml"): "pyproject.toml",
        Path(f"{module}.py"): f"{kind}.py",
        Path("tests", f"test_{underscored}.py"): "test.py",
        Path("recipe.toml"): "recipe.toml",
        Path("README.md"): "README.md",
    }
    facts = {
        "name": name,
        "kind": kind,
        "noun": singular(kind).replace("_", " "),
        "table": (KINDS[kind].table or singular(kind)).strip("[]"),
        "use": _use(name, kind),
        "module": module,
        "cls": _class(underscored, _read(f"{kind}.py")),
        "version": version(hookspecs.PROJECT),
    }
    return {path: environment.get_template(template).render(facts) for path, template in wanted.items()}


def _use(name: str, kind: str) -> str:
    """Write how the recipe uses the part, where its template knows no place for the kind."""
    contract = KINDS[kind]
    if f'kind == "{kind}"' in _read("recipe.toml"):
        return ""
    if contract.command:
        return f"# {contract.command.format(name=name)}"
    table = (contract.table or singular(kind)).replace("NAME", "train")
    return f"[{table}{name}]" if table.endswith(".") else f'[{table}]\nuse = "{name}"'


def write_package(files: dict[Path, str], folder: Path) -> None:
    """Write files into a new folder.

    Args:
        files: The files by their paths in the folder.
        folder: The folder; nothing may be there.

    Raises:
        RunError: Something is there, or it cannot be written.
    """
    if folder.exists():
        raise RunError(f"{folder}: is there already; nothing is overwritten")
    with writing(folder):
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")


def _read(file: str) -> str:
    return (TEMPLATES / f"{file}.jinja").read_text(encoding="utf-8")


def _class(underscored: str, template: str) -> str:
    """Name the class after the part, but as nothing that the module or Python holds, and as no test."""
    name = "".join(word.capitalize() for word in underscored.split("_"))
    taken = re.search(rf"\b{name}\b", template) or iskeyword(name) or name.startswith("Test")
    return f"My{name}" if taken else name
