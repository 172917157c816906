"""What came out of a grid, read from its folder alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remgcl.core.errors import RunError
from remgcl.core.grid.folder import GridFolder, UnitFolder
from remgcl.core.grid.progress import number
from remgcl.core.grid.results import CellResult, GridResults


def collect(path: Path) -> GridResults:
    """Read what came out of the last run of a grid, also while it runs.

    Args:
        path: The grid's folder.

    Raises:
        RunError: There is no grid, or a record cannot be read.
    """
    folder = GridFolder(path)
    held = folder.recorded()
    try:
        return GridResults(
            name=held["name"],
            metrics=tuple(held["metrics"]),
            axes={axis: tuple(values) for axis, values in held["axes"].items()},
            baseline=held["baseline"],
            cells=tuple(_result(folder, cell, held["metrics"]) for cell in held["cells"]),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RunError(f"{path / 'grid.json'}: is no record of a grid; {error!r}") from error


def _result(folder: GridFolder, cell: Mapping[str, Any], metrics: list[str]) -> CellResult:
    """Read what came out of a cell with a seed."""
    units = [folder.unit(digest, stage) for stage, digest in cell["stages"].items()]
    records = [unit.held.finished() for unit in units]
    last = records[-1]["results"] if records[-1] else {}
    errors = [error for unit in units if (error := unit.error)]
    state = "missing"
    if records[-1]:
        state = "finished"
    elif any(unit.run.busy for unit in units):
        state = "running"
    elif errors:
        state = "failed"
    return CellResult(
        label=cell["label"],
        settings=cell["settings"],
        seed=cell["seed"],
        state=state,
        metrics={metric: value for metric in metrics if (value := number(last, metric)) is not None},
        seconds=sum(record["results"]["seconds"] for record in records if record) if last else None,
        samples_per_second=last.get("samples_per_second"),
        curves=_curves(units[-1]),
        error=errors[0] if state == "failed" else None,
    )


def _curves(unit: UnitFolder) -> dict[str, list[tuple[int, float]]]:
    """Read the means of each term over the steps of a stage."""
    curves: dict[str, list[tuple[int, float]]] = {}
    try:
        lines = unit.held.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return curves
    for line in map(json.loads, (line for line in lines if line.endswith("\n"))):
        for name, term in line["terms"].items():
            curves.setdefault(name, []).append((line["step"], term["loss"]))
    return curves
