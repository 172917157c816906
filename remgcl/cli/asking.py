"""Options shared by the commands that load a model, and opening an image by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from PIL.Image import Image

    from remgcl.core.inference.loaded import LoadedModel

Run: TypeAlias = Annotated[
    str, typer.Argument(metavar="RUN", help="A run, a stage, a checkpoint, or a published model.")
]
Stage: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="The stage; by default the last one that has a model.")
]
Conv: TypeAlias = Annotated[
    str | None,
    typer.Option("--conv", metavar="TEMPLATE", help="The conversation template; by default that of the stage."),
]
Device: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1; by default a GPU if there is one.")
]
Base: TypeAlias = Annotated[
    str | None, typer.Option(metavar="MODEL", help="The model that published adapters or a projector were trained on.")
]
Tower: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TOWER", help="The vision tower, if that of a published model is not found.")
]
Dtype: TypeAlias = Annotated[str | None, typer.Option(metavar="TYPE", help="float32, bfloat16 or float16.")]
MaxNewTokens: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="N", help="Longest answer in tokens; by default 512, or fewer if the context has less room."),
]
Temperature: TypeAlias = Annotated[float, typer.Option(metavar="T", help="0 always takes the most probable token.")]
TopP: TypeAlias = Annotated[float, typer.Option(metavar="P", help="Share of the probability mass to sample from.")]
Seed: TypeAlias = Annotated[int | None, typer.Option(metavar="N", help="Seed of the sampling.")]


def loaded(run: str, **options: Any) -> LoadedModel:  # noqa: ANN401 - those of `remgcl.load`
    """Load a model without the progress bars of libraries.

    Args:
        run: What `remgcl.load` takes.
        **options: Its options.

    Raises:
        RemgclError: There is no such model, or it cannot be read.
    """
    import remgcl

    without_bars()
    return remgcl.load(run, **options)


def without_bars() -> None:
    """Silence the progress bars of transformers, which draw while weights are loaded."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def named_image(name: str) -> Image:
    """Open an image named on the command line: a file, or an ``https://`` address.

    Args:
        name: The file's path or the address.

    Raises:
        DataError: It is no image.
        RequestError: The address cannot be fetched.
    """
    import os

    from remgcl.core.inference.fetch import Fetcher, is_address
    from remgcl.inference import open_image

    if not is_address(name):
        return open_image(name)
    private = [host for host in os.environ.get("REMGCL_PRIVATE_HOSTS", "").split(",") if host]
    return open_image(Fetcher(private=private).fetch(name))
