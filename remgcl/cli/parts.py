"""``remgcl parts``: list every part there is."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

if TYPE_CHECKING:
    from remgcl.core.registry import Registered


def parts(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="One kind of part, such as losses.")] = None,
) -> None:
    """List every part with its plugin, its purpose, and its fields with their defaults."""
    from rich.console import Console

    from remgcl import Engine, RemgclError
    from remgcl.core.errors import Hint
    from remgcl.core.registry import KINDS

    if kind is not None and kind not in KINDS:
        raise RemgclError(f"no kind of part {kind!r}; {Hint(kind, tuple(KINDS))}")
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name, entries in groupby(Engine.installed().registry, key=lambda entry: entry.kind):
        if kind in {None, name}:
            console.print(name, style="bold")
            for entry in entries:
                _print(console, entry)


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
