"""``remgcl view``: look at predictions, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remgcl.cli import output

if TYPE_CHECKING:
    from remgcl import Engine, Picture
    from remgcl.core.evaluation.scored import Scored
    from remgcl.core.evaluation.view.cards import FindRegions

SHOWN = 3
"""Most missing images that are named."""

Data = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The images: DIR/BENCHMARK/IMAGE or DIR/IMAGE, as for remgcl eval.")
]
Ocr = Annotated[Path | None, typer.Option(metavar="CACHE", help="Regions of images, as remgcl ocr writes them.")]
Settings = Annotated[
    list[str],
    typer.Option("--benchmark-set", metavar="KEY=VALUE", help="A setting of the benchmark, as remgcl eval was given."),
]
Size = Annotated[int, typer.Option(metavar="PIXELS", min=32, max=4096, help="Longest edge of an embedded image.")]
Link = Annotated[bool, typer.Option("--link", help="Link the image files instead of embedding small copies.")]


def view(  # noqa: PLR0913 - the options of a command
    predictions: Annotated[
        list[Path],
        typer.Argument(metavar="PREDICTIONS", help="Folders of remgcl eval, or files of predictions."),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="PAGE.html", help="Where the page goes.")],
    data: Data = None,
    ocr: Ocr = None,
    image_size: Size = 512,
    link: Link = False,
    benchmark_set: Settings = [],  # noqa: B006 - typer copies it
) -> None:
    """Write one HTML page of predictions, to filter and search: image with regions, prompt, reply, truth and score."""
    from remgcl import Engine
    from remgcl.cli.evaluate_table import progress
    from remgcl.core.evaluation.view.images import Frame
    from remgcl.core.evaluation.view.view import read_predictions_to_view
    from remgcl.core.evaluation.view.view import view as page_of
    from remgcl.core.files.whole import write, writing

    evaluations = [each for path in predictions for each in read_predictions_to_view(path)]
    regions = regions_of(ocr)
    frame = Frame(page=out, size=image_size, link=link)
    find = finder(Engine.installed(), data, benchmark_set)
    with progress("images") as watch:
        text, missing = page_of(evaluations, find, frame, regions=regions, watch=watch)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write(out, text.encode())
    warn([out], missing)


def warn(files: Sequence[Path], missing: Mapping[str, str]) -> None:
    """Print where pages are, and which images they lack.

    Args:
        files: The files.
        missing: Why images are missing, by name.
    """
    console = output.console()
    for file in files:
        console.print(str(file), markup=False)
    for error in list(missing.values())[:SHOWN]:
        console.print(f"warning: {error}", style="yellow", markup=False)
    if len(missing) > SHOWN:
        console.print(f"warning: {len(missing):,} images in all are missing from the page", style="yellow")


def regions_of(cache: Path | None) -> FindRegions | None:
    """Find regions in an OCR cache.

    Args:
        cache: Its folder; None finds nothing.

    Raises:
        RunError: It is no cache.
    """
    if cache is None:
        return None
    from remgcl.core.ocr.cache import OcrCache

    held = OcrCache.open(cache)
    return lambda content: [(region.text, region.quad) for region in held.regions(content) or ()]


def finder(engine: Engine, data: Path | None, settings: list[str]) -> Callable[[Scored], Mapping[str, Picture]]:
    """Find images: files in a folder, or else what the benchmark itself reads there, where its questions are the same.

    Args:
        engine: Knows the benchmarks.
        data: The folder; None finds what needs no files.
        settings: Settings of the benchmarks.
    """
    from remgcl import Picture, RemgclError
    from remgcl.core.evaluation.view.view import is_question

    def find(scored: Scored) -> dict[str, Picture]:
        folders = [data / scored.benchmark, data] if data is not None else []
        named = {item.id: item.image for item in scored.items if item.image}
        inside = {
            id_: name for id_, name in named.items() if not Path(name).is_absolute() and ".." not in Path(name).parts
        }
        found = {
            id_: Picture(name=name, file=file)
            for id_, name in inside.items()
            if (file := next((folder / name for folder in folders if (folder / name).is_file()), None)) is not None
        }
        if len(found) == len(named) or scored.benchmark not in engine.registry.names("benchmarks"):
            return found
        try:
            benchmark = engine.part("benchmarks", scored.benchmark, settings, "--benchmark-set")
            folder = next((each for each in folders if each.is_dir()), Path())
            questions = benchmark.questions(folder, str(scored.protocol.get("split")))
        except RemgclError:
            return found
        items = {item.id: item for item in scored.items if item.id in named}
        same = (each for each in questions if each.id in items and is_question(each, items[each.id]))
        return found | {each.id: each.picture for each in same if each.picture}

    return find
