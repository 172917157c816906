"""``remgcl grid``: train a recipe varied along axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from remgcl.cli import output
from remgcl.cli.options import Overrides
from remgcl.cli.options import folder as folder_of

if TYPE_CHECKING:
    from rich.console import Console

    from remgcl.core.grid.progress import Row
    from remgcl.core.grid.run import Run

app = typer.Typer(help="Train a recipe varied along axes, and compare the results.", no_args_is_help=True)

GridFile: TypeAlias = Annotated[Path, typer.Argument(metavar="GRID", help="The grid, a TOML file.")]
Folder: TypeAlias = Annotated[
    Path | None, typer.Option(parser=folder_of, metavar="FOLDER", help="The grid's folder; by default runs/NAME.")
]


@app.command("run")
def run(
    grid: GridFile,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    folder: Folder = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cells and their cost, and train nothing.")
    ] = False,
) -> None:
    """Train every cell of a grid that is missing or changed.

    Every cell is read and checked before the first is trained. A cell that
    fails does not stop the others; the same command resumes interrupted
    cells and retries failed ones.
    """
    from remgcl import Engine
    from remgcl.cli import grid_table
    from remgcl.core.grid.folder import GridFolder
    from remgcl.core.grid.plan import plan_grid, read_grid
    from remgcl.core.grid.run import Run

    engine = Engine.installed()
    plan = plan_grid(engine, read_grid(engine, grid, overrides))
    runs = Run.of(engine, plan, GridFolder(folder or Path("runs") / plan.grid.file.name))
    console = output.console()
    if dry_run:
        console.print(grid_table.cells(runs.progress))
        console.print(grid_table.stages(runs.progress))
        console.print(grid_table.summary(runs.progress), markup=False)
        return
    console.print(grid_table.summary(runs.progress), markup=False)
    complete = _shown(runs, output.console(soft_wrap=False))
    rows = runs.progress.rows()
    for row in rows:
        if row.error is not None:
            console.print(f"{row.label}, seed {row.seed}: {row.stage}: {row.error}", style="red", markup=False)
            if row.log is not None:
                console.print(f"its log: {row.log}", markup=False)
    console.print(
        f"{sum(row.state == 'finished' for row in rows)} of {len(rows)} cells are finished, in {runs.folder.path}"
    )
    if not complete:
        raise typer.Exit(1)


@app.command("report")
def report(grid: GridFile, folder: Folder = None) -> None:
    """Report the results of a grid's last run: Markdown, CSV, LaTeX, an HTML page and pictures.

    The grid may still be running: unfinished cells are listed.
    """
    from remgcl import Engine, verify_installed
    from remgcl.cli import grid_table
    from remgcl.cli.tables import shown
    from remgcl.core.grid.collect import collect
    from remgcl.core.grid.file import read_file
    from remgcl.core.grid.report.content import content_of
    from remgcl.core.grid.report.write import write_report

    for library in ("matplotlib", "scipy"):
        verify_installed(library, "remgcl grid report", "remgcl[report]")
    if folder is None:
        folder = Path("runs") / read_file(grid, Engine.installed().registry).name
    results = collect(folder)
    content = content_of(results)
    console = output.console()
    for table in content.tables:
        console.print(shown(table, grid_table.BESIDE))
    for line in (*content.findings, *content.left_out, *map(str, write_report(results, folder / "report"))):
        console.print(line, markup=False)


def _shown(run: Run, console: Console) -> bool:
    """Run a grid, and show how far it is: a table, or lines where there is no terminal."""
    from rich.live import Live

    from remgcl.cli import grid_table

    if not console.is_terminal:
        return run.run(_Lines(console, run.plan.grid.file.metrics[0]).print)
    with Live(console=console, auto_refresh=False) as live:
        return run.run(lambda rows: live.update(grid_table.live(rows, run.plan, console.height), refresh=True))


class _Lines:
    """Prints a line whenever the state of cells changes."""

    def __init__(self, console: Console, metric: str = "") -> None:
        self._console, self._metric = console, metric
        self._known: dict[tuple[str, int], str] = {}

    def print(self, rows: list[Row]) -> None:
        changed: dict[str, list[str]] = {}
        for row in rows:
            state = f"{row.stage} {row.state}" + (
                f", {self._metric} {row.metric:.4g}" if row.metric is not None else ""
            )
            if row.state != "waiting" and self._known.get((row.label, row.seed)) != state:
                changed.setdefault(f"seed {row.seed}: {state}", []).append(row.label)
                self._known[row.label, row.seed] = state
        done = sum(row.state == "finished" for row in rows)
        left = max((row.left for row in rows if row.left is not None), default=None)
        end = f"{done}/{len(rows)} finished" + ("" if left is None else f", {left:.0f} s left of what runs")
        for state, labels in changed.items():
            more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
            self._console.print(f"{labels[0]}{more}, {state} ({end})", markup=False, soft_wrap=True)
