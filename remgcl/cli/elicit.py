"""``remgcl elicit``: make question-answer data of images."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remgcl.cli import output
from remgcl.cli.ocr import read_text
from remgcl.cli.options import Overrides
from remgcl.cli.options import folder as folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from remgcl.core.elicitation.estimate import Estimate
    from remgcl.core.elicitation.results import Results
    from remgcl.core.elicitation.run import Watch
    from remgcl.core.elicitation.work import Work

EVERY = 10.0
"""Seconds between two lines where there is no terminal to draw on."""


def elicit(  # noqa: PLR0913 - options of a command
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The elicitation file, in TOML.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(parser=folder_of, metavar="FOLDER", help="Where the data go; elicited/NAME by default."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what will be asked and cost, and ask nothing.")
    ] = False,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Take the first N images only.")] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="X", min=0, help="Most money, of all runs in the folder together.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Make question-answer data of images with text.

    Each reply of a chat model is kept in the folder's ledger: the same command resumes, and pays for nothing twice.
    """
    from remgcl import Engine
    from remgcl.core.elicitation.estimate import estimate
    from remgcl.core.elicitation.file import read_file, verify_budget
    from remgcl.core.elicitation.run import alone, run
    from remgcl.core.elicitation.sources import source_of
    from remgcl.core.elicitation.write import changed_keys, write_all
    from remgcl.core.recipe.structure import Structure

    console = output.console()
    engine = Engine.installed()
    given = read_file(file, overrides, engine.registry)
    verify_budget(given, file, given.budget if budget is None else budget, "budget" if budget is None else "--budget")
    if dry_run:
        _print_estimate(console, estimate(given, limit))
        return
    folder = out or Path("elicited") / given.name
    table = Structure(engine.registry).write(given)
    with alone(folder):
        changed = changed_keys(folder, table)
        if changed:
            console.print(
                f"changed since the last run: {', '.join(changed)}; replies to equal calls are kept", markup=False
            )
        if given.ocr_engine is not None and given.ocr is not None:
            reader = given.ocr_engine, engine.ocr_origin(given.ocr_engine)
            read_text(console, [source_of(given)], reader, Path(given.ocr))
        with _shown(console) as watch:
            results = run(given, folder, limit=limit, budget=budget, watch=watch)
        write_all(results, given, table, folder)
    _print_results(console, results, folder)


@contextmanager
def _shown(console: Console) -> Iterator[Watch]:
    """Show how far the work is: a bar, or a line now and then where there is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    printed = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def watch(done: int, work: Work) -> None:
            nonlocal printed
            if not console.is_terminal and time.monotonic() - printed < EVERY:
                return
            sent = sum(caller.sent for caller in work.callers.values())
            line = f"{done:,} images, {sent:,} calls" + (f", {work.purse.spent:.4g} spent" if work.purse.spent else "")
            bar.update(task, description=line, advance=1)
            if not console.is_terminal:
                printed = time.monotonic()
                console.print(line, markup=False)

        yield watch


def _print_estimate(console: Console, estimate: Estimate) -> None:
    """Print what will be asked and cost."""
    from rich.table import Table

    console.print(
        f"{estimate.images:,} images, repeated ones among them; at most {estimate.candidates:,} candidates",
        markup=False,
    )
    if estimate.unknown:
        console.print(
            f"{estimate.unknown:,} of {estimate.measured:,} images that were measured are not in the OCR cache: "
            "their requests will be longer",
            style="yellow",
            markup=False,
        )
    if not estimate.asked:
        console.print("no chat model is asked; it costs nothing", markup=False)
        return
    table = Table("part", "model", "calls, at most", "tokens in, about", "tokens out, at most", "cost, at most")
    for each in estimate.asked:
        cost = "no price" if each.cost is None else f"{each.cost:,.2f}"
        table.add_row(each.part, each.model, f"{each.calls:,}", f"{each.tokens_in:,}", f"{each.tokens_out:,}", cost)
    known = [each.cost for each in estimate.asked if each.cost is not None]
    total = f"{sum(known):,.2f}" if len(known) == len(estimate.asked) else "no price"
    table.add_row("all", "", f"{sum(each.calls for each in estimate.asked):,}", "", "", total)
    console.print(table)


def _print_results(console: Console, results: Results, folder: Path) -> None:
    """Print what came of a run, and raise if the budget ended it."""
    from remgcl import RunError
    from remgcl.core.elicitation.report import sentences

    for sentence in sentences(results):
        console.print(sentence, markup=False)
    console.print(f"data, provenance and report: {folder}", markup=False)
    numbers = results.numbers
    for name, model in numbers["models"].items():
        wanted = model["wanted"]
        others = {named: often for named, often in model["named"].items() if named and wanted not in named}
        for named, often in others.items():
            console.print(
                f"models.{name}: {often:,} replies came from {named!r}, where {wanted!r} was asked",
                style="yellow",
                markup=False,
            )
    if numbers["unmade"]["failed"]:
        console.print("calls that failed are sent again when the command is run again", style="yellow", markup=False)
    if numbers["unmade"]["budget"]:
        money, left = numbers["money"]["budget"], numbers["unmade"]["budget"]
        raise RunError(
            f"{folder}: the budget of {money:g} left out {left:,} images or pairs; "
            "raise the budget, and run the command again to resume"
        )
