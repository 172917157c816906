"""``remgcl ask``: ask a model one question about an image."""

from __future__ import annotations

from typing import Annotated

import typer

from remgcl.cli.asking import (
    Base,
    Conv,
    Device,
    Dtype,
    MaxNewTokens,
    Run,
    Seed,
    Stage,
    Temperature,
    TopP,
    Tower,
    loaded,
    named_image,
)


def ask(  # noqa: PLR0913 - the options of a command
    run: Run,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A file, an https:// address, or - for none.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION")],
    *,
    stage: Stage = None,
    conv: Conv = None,
    base: Base = None,
    tower: Tower = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Ask a model one question about an image, and print its answer."""
    shown = None if image == "-" else named_image(image)
    model = loaded(run, stage=stage, template=conv, base=base, tower=tower, device=device, dtype=dtype)
    settings = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    for piece in model.stream((shown, question), **settings):
        typer.echo(piece, nl=False)
    typer.echo()
