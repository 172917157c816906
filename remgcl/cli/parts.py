"""``remgcl parts``: list every part there is."""

from __future__ import annotations

import inspect
import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

if TYPE_CHECKING:
    from remgcl.core.registry import Registered


def parts(
    which: Annotated[
        str | None,
        typer.Argument(metavar="KIND[.NAME]", help="One kind of part, such as losses, or one part of it."),
    ] = None,
) -> None:
    """List every part with its plugin, its purpose, and its fields with their defaults; or tell all about one."""
    from rich.console import Console

    from remgcl import Engine, RemgclError
    from remgcl.core.errors import Hint
    from remgcl.core.registry import KINDS

    kind, _, name = (which or "").partition(".")
    if which is not None and kind not in KINDS:
        raise RemgclError(f"no kind of part {kind!r}; {Hint(kind, tuple(KINDS))}")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    registry = Engine.installed().registry
    if name:
        _tell(console, registry.entry_of(kind, name))
        return
    for each, entries in groupby(registry, key=lambda entry: entry.kind):
        if kind in {"", each}:
            console.print(each, style="bold")
            for entry in entries:
                _print(console, entry)


def _tell(console: Any, entry: Registered) -> None:  # noqa: ANN401 - rich is imported when a command runs
    """Print a part's documentation, its fields with limits, and a table that uses it."""
    import attrs

    from remgcl.core.plugins import versions
    from remgcl.core.schema import bounds, described

    told = described(entry.part)
    console.print(f"{entry.kind}.{entry.name}", style="bold")
    console.print(f"of plugin {entry.plugin}, {versions().get(entry.plugin, 'which is not installed')}\n", style="dim")
    console.print((inspect.getdoc(entry.part) or "").partition("\n\nAttributes:")[0] + "\n")
    for field in attrs.fields(entry.part):
        limits = [f"{name} {value}" for bound in bounds(field.validator) for name, value in bound.items()]
        console.print(f"  {field.name}: {_type(field)}{_default(field)}", style="cyan")
        for line in (told.get(field.name), *limits):
            if line:
                console.print(f"      {line}")
    console.print(f"\n{_example(entry)}")


def _example(entry: Registered) -> str:
    """Write a table that uses a part, with every field that has no default or a scalar one."""
    import attrs

    tables = {"losses": "stages.NAME.losses", "datasets": "stages.NAME.data", "templates": "stages.NAME.template"}
    table = f"{tables.get(entry.kind, entry.kind.removesuffix('s'))}" + (f".{entry.name}" * (entry.kind == "losses"))
    lines = [f"[{table}]"] + [f'use = "{entry.name}"'] * (entry.kind != "losses")
    for field in attrs.fields(entry.part):
        if field.default is attrs.NOTHING:
            lines.append(f"{field.name} = ...")
        elif isinstance(field.default, bool | int | float | str):
            lines.append(f"{field.name} = {json.dumps(field.default)}")
    return "\n".join(lines)


def _print(console: Any, entry: Registered) -> None:  # noqa: ANN401 - rich is imported when a command runs
    import attrs

    summary = (inspect.getdoc(entry.part) or "").partition("\n")[0]
    console.print(f"  {entry.name}  ({entry.plugin})", style="cyan")
    console.print(f"      {summary}")
    for field in attrs.fields(entry.part):
        console.print(f"      {field.name}: {_type(field)}{_default(field)}", style="dim")


def _type(field: Any) -> str:  # noqa: ANN401 - an attribute of attrs
    kind = field.type
    if isinstance(kind, type) and not get_args(kind):
        return kind.__name__
    return str(kind).replace("typing.", "")


def _default(field: Any) -> str:  # noqa: ANN401 - an attribute of attrs
    import attrs

    default = field.default
    if default is attrs.NOTHING:
        return " (required)"
    return f" = {default.factory() if isinstance(default, attrs.Factory) else default!r}"  # type: ignore[arg-type]
