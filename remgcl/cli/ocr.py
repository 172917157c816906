"""``remgcl ocr``: find the text of images, once, before training."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from remgcl.cli import output
from remgcl.cli.options import Overrides
from remgcl.cli.options import folder as folder_of

if TYPE_CHECKING:
    from rich.console import Console

    from remgcl import Engine, OcrEngine
    from remgcl.core.ocr.cache import Origin
    from remgcl.core.ocr.sources import Source

T = TypeVar("T")

PRINTED = 10
"""Lines that are printed of a phase where there is no terminal to draw a bar on."""

Settings = Annotated[
    list[str],
    typer.Option("--engine-set", metavar="KEY=VALUE", help="Set a field of the engine, such as least_confidence=0.8."),
]


def ocr(  # noqa: PLR0913 - options of a command
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="An image, a folder of images, or a recipe, for its data."),
    ],
    *,
    out: Annotated[
        Path, typer.Option(parser=folder_of, metavar="CACHE", help="The folder of the cache; created, or added to.")
    ],
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="The OCR engine; remgcl parts ocr_engines lists them.")
    ] = "rapidocr",
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; by default one for each processor.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    settings: Settings = [],  # noqa: B006 - typer copies it
) -> None:
    """Find the lines of text in images, and store them in a cache for the key `ocr` of a stage.

    Images that are already in the cache are not recognised again.
    """
    from remgcl import Engine

    installed = Engine.installed()
    reader = installed.ocr_engine(engine, settings)
    read_text(output.console(), _sources(installed, source, overrides), reader, out, workers)


def read_text(
    console: Console, sources: list[Source], reader: tuple[OcrEngine, Origin], out: Path, workers: int | None = None
) -> None:
    """Find the lines of text in images, and print what came of it.

    Args:
        console: Where to print.
        sources: Where the images come from.
        reader: The OCR engine, and the origin that a cache records.
        out: The folder of the cache.
        workers: Processes; one a processor by default.
    """
    from remgcl import cores
    from remgcl.core.ocr.recognise import recognise
    from remgcl.core.ocr.writer import OcrWriter, alone

    with alone(out), _interruptible(out):
        chosen, origin = reader
        report = recognise(
            sources,
            chosen,
            OcrWriter(out, origin),
            workers=workers or len(cores()),
            show=lambda name, total, results: _shown(console, name, total, results),
        )
    for what in report.unreadable:
        console.print(f"unreadable: {what}", style="yellow", markup=False)
    speed = f", {report.recognised / report.seconds:.2f} images/s" if report.recognised else ""
    console.print(
        f"{report.images:,} images, {report.different:,} different: "
        f"{report.found:,} found in the cache, {report.recognised:,} recognised, "
        f"{len(report.unreadable):,} unreadable; {report.regions:,} regions{speed}",
        markup=False,
    )
    if report.replaced:
        console.print(f"{report.replaced:,} regions held half of a surrogate pair, now U+FFFD", style="yellow")


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """End at Ctrl-C, at SIGTERM and when the terminal is closed, with what was recognised, and say how to resume."""
    from remgcl import RunError

    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    caught = [kind for kind in kinds if signal.getsignal(kind) is not signal.SIG_IGN]
    main = threading.current_thread() is threading.main_thread()
    before = {kind: signal.signal(kind, signal.default_int_handler) for kind in caught} if main else {}
    try:
        yield
    except KeyboardInterrupt:
        raise RunError(f"{out}: interrupted; recognised images are kept: run the command again to resume") from None
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _sources(engine: Engine, source: Path, overrides: list[str]) -> list[Source]:
    """Name the images of a recipe, or those of a file or a folder."""
    from remgcl import RemgclError
    from remgcl.core.ocr.sources import files_of, sources_of

    if source.suffix == ".toml":
        return sources_of(engine.read(source, overrides))
    if overrides:
        raise RemgclError(f"--set {overrides[0]}: sets a key of a recipe; {str(source)!r} is not a recipe")
    return files_of(source)


def _shown(console: Console, name: str, total: int, results: Iterable[T]) -> Iterator[T]:
    """Show how far a phase is: a bar, or a few lines where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}")
    begun, printed = time.monotonic(), 0
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total, speed="")
        for done, result in enumerate(results, 1):
            yield result
            speed = f"{done / max(time.monotonic() - begun, 1e-9):.1f} images/s"
            bar.update(task, completed=done, speed=speed)
            if not console.is_terminal and done * PRINTED // total > printed:
                printed = done * PRINTED // total
                console.print(f"{name}  {done:,}/{total:,}  {speed}", markup=False)
