"""The cells of a grid as tables: what they will cost, while they are trained, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from remgcl.cli.check import scaled

if TYPE_CHECKING:
    from rich.table import Table

    from remgcl.core.grid.plan import GridPlan, Unit
    from remgcl.core.grid.progress import GridProgress, Row, State

STYLES = {"finished": "green", "failed": "red", "running": "bold", "waiting": "dim"}
"""How a state looks."""

ORDER: tuple[State, ...] = ("running", "failed", "waiting", "finished")
"""Which rows are shown first where not all fit."""

BESIDE = ("seen from", "training time", "samples/s")
"""Columns of a report that a terminal has no room for."""

FRAME = 9
"""Lines of a terminal that a table's head, its end and what stands above it take."""


def live(rows: Sequence[Row], plan: GridPlan, height: int) -> Table:
    """Show how far each cell is; where not all fit, those that run come first.

    Args:
        rows: The cells.
        plan: The grid.
        height: Lines of the terminal.
    """
    metric = plan.grid.file.metrics[0]
    table = _table("", "cell", "seed", "state", "stage", "step", "loss", metric, "left")
    shown = list(rows)
    if len(rows) > max(height - FRAME, 1):
        shown = sorted(rows, key=lambda row: ORDER.index(row.state))[: max(height - FRAME, 1)]
    for row in shown:
        table.add_row(
            row.label,
            str(row.seed),
            row.state,
            row.stage,
            f"{row.step}/{row.steps}",
            "  ".join(f"{name} {loss:.3f}" for name, loss in row.losses.items()),
            "" if row.metric is None else f"{row.metric:.4g}",
            "" if row.left is None else str(timedelta(seconds=round(row.left))),
            style=STYLES[row.state],
        )
    states = Counter(row.state for row in rows)
    counts = ", ".join(f"{states[state]} {state}" for state in ORDER if states[state])
    table.caption = f"{counts}; {len(rows) - len(shown)} not shown" if len(shown) < len(rows) else counts
    table.caption_justify = "left"
    return table


def cells(progress: GridProgress) -> Table:
    """List the cells, and what is missing of each.

    Args:
        progress: How far the grid is.
    """
    table = _table("cells", "cell", "seeds", "stages", "finished", "same as")
    first: dict[str, str] = {}
    by_cell: dict[str, list[str]] = {}
    for member in progress.plan.members:
        by_cell.setdefault(member.cell.label, []).append(member.last)
    seeds = len(progress.plan.members) // len(progress.plan.grid.cells)
    stages = {member.cell.label: member.units for member in progress.plan.members}
    for label, units in by_cell.items():
        same = first.setdefault(units[0], label)
        done = sum(progress.results(progress.plan.units[digest]) is not None for digest in units)
        named = label + " (baseline)" * (label == progress.plan.grid.baseline)
        table.add_row(named, str(seeds), " > ".join(stages[label]), f"{done}/{seeds}", same if same != label else "")
    return table


def stages(progress: GridProgress) -> Table:
    """List the different stages of all cells, one row for all seeds, with what each costs.

    Args:
        progress: How far the grid is.
    """
    table = _table(
        "stages", "stage", "of", "seeds", "to train", "steps", "samples", "work of each", "memory of each GPU"
    )
    table.caption = "Work and memory by formula, not measured."
    table.caption_justify = "left"
    for (stage, labels), units in _by_cells(progress.plan).items():
        cost = units[0].plan.estimate
        every = len(labels) == len(progress.plan.grid.cells)
        table.add_row(
            stage,
            f"all {len(labels)} cells" if every and len(labels) > 1 else "\n".join(labels),
            str(len(units)),
            str(sum(progress.results(unit) is None for unit in units)),
            f"{units[0].plan.steps:,}",
            f"{units[0].plan.train.samples:,}",
            scaled(cost.total, "FLOP") if cost else "unknown",
            scaled(cost.gpu.total, "B") if cost else "unknown",
        )
    return table


def summary(progress: GridProgress) -> str:
    """Tell how much is to be trained, and how much that several cells share.

    Args:
        progress: How far the grid is.
    """
    plan = progress.plan
    left = [unit for unit in plan.units.values() if progress.results(unit) is None]
    needed = sum(len(member.units) for member in plan.members)
    seeds = len(plan.members) // len(plan.grid.cells)
    costs = [unit.plan.estimate.total for unit in left if unit.plan.estimate]
    work = f", {scaled(sum(costs), 'FLOP')}" if costs and len(costs) == len(left) else ""
    return (
        f"{plan.grid.file.name}: {len(plan.grid.cells)} cells x {seeds} seeds = {len(plan.members)}; "
        f"{len(plan.units)} different stages for {needed}, "
        f"{len(plan.units) - len(left)} finished, {len(left)} to train{work}"
    )


def _by_cells(plan: GridPlan) -> dict[tuple[str, tuple[str, ...]], list[Unit]]:
    """Put the stages together that differ by the seed alone."""
    needed: dict[str, list[str]] = {digest: [] for digest in plan.units}
    for member in plan.members:
        for digest in member.units.values():
            needed[digest].append(member.cell.label)
    together: dict[tuple[str, tuple[str, ...]], list[Unit]] = {}
    for digest, unit in plan.units.items():
        together.setdefault((unit.stage, tuple(needed[digest])), []).append(unit)
    return together


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
