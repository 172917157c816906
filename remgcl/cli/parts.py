"""``remgcl parts``: list every installed part."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from remgcl.core.authoring.reference import PartReference


def parts(
    which: Annotated[
        str | None,
        typer.Argument(metavar="KIND[.NAME]", help="One kind of part, such as losses, or one part of it."),
    ] = None,
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference of all parts, as docs/parts.md.")
    ] = False,
) -> None:
    """List every part with its plugin, purpose, fields and defaults, or describe one part."""
    from rich.console import Console

    from remgcl import Engine, RemgclError
    from remgcl.core.authoring import reference
    from remgcl.core.errors import Hint
    from remgcl.core.registry.loading import distributions
    from remgcl.core.registry.registry import KINDS

    kind, _, name = (which or "").partition(".")
    if which is not None and kind not in KINDS:
        raise RemgclError(f"no kind of part {kind!r}; {Hint(kind, tuple(KINDS))}")
    if markdown and which is not None:
        raise RemgclError(f"--markdown: writes every part; leave out {which!r}")
    registry = Engine.installed().registry
    if markdown:
        typer.echo(reference.markdown(registry), nl=False)
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    come_from = distributions()
    if name:
        part = reference.reference_of(registry.entry_of(kind, name))
        _describe(console, part, come_from[part.plugin])
        return
    for each, entries in groupby(registry, key=lambda entry: entry.kind):
        if kind in {"", each}:
            console.print(each, style="bold")
            for entry in entries:
                _list(console, reference.reference_of(entry), come_from[entry.plugin])
    if registry.left_out:
        console.print("left out", style="bold")
    for reason in registry.left_out.values():
        console.print(f"  {reason}", style="yellow")


def _describe(console: Console, part: PartReference, distribution: str) -> None:
    """Print a part's documentation, its fields with limits, and a table that uses it."""
    console.print(f"{part.kind}.{part.name}", style="bold")
    console.print(f"of plugin {part.plugin}, {distribution}\n", style="dim")
    console.print(f"{part.text}\n")
    for what in part.missing:
        console.print(f"{what}\n", style="yellow")
    for field in part.fields:
        console.print(f"  {field}", style="cyan")
        for line in filter(None, [field.meaning, *field.limits]):
            console.print(f"      {line}")
    console.print(f"\n{part.example}")


def _list(console: Console, part: PartReference, distribution: str) -> None:
    """Print a part's purpose and fields, one line each."""
    console.print(f"  {part.name}  ({part.plugin}, {distribution})", style="cyan")
    console.print(f"      {part.summary}")
    for field in part.fields:
        console.print(f"      {field}", style="dim")
    for what in part.missing:
        console.print(f"      {what}", style="yellow")
