"""``remgcl export``: write a run's model in a published format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remgcl.cli.asking import Run, Stage, without_bars


def export(
    run: Run,
    *,
    format_: Annotated[str, typer.Option("--format", metavar="NAME", help="llava or transformers-llava.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; it must be new or empty.")],
    stage: Stage = None,
    verify: Annotated[bool, typer.Option(help="Read back what was written, and compare logits.")] = True,
) -> None:
    """Write a model in a published format, read it back, and print the largest difference of logits."""
    from remgcl.core.inference.export import export as write

    without_bars()
    done = write(run, format_, out, stage=stage, verify=verify)
    typer.echo(f"exported {run} to {out} ({format_})")
    if done is None:
        return
    typer.echo(
        f"largest difference of logits, read back by {done.by}: {done.difference:.2g} (largest logit {done.scale:.3g})"
    )
