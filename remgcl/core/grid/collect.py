"""What came out of a grid, read from its folder alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remgcl.core.errors import DataError, RunError
from remgcl.core.evaluation.scored import Scored
from remgcl.core.grid.evaluations import questions_of, scored_of, summaries_of, verify_protocol
from remgcl.core.grid.folder import GridFolder, UnitFolder
from remgcl.core.grid.progress import number
from remgcl.core.grid.results import CellResult, GridResults


def collect(path: Path) -> GridResults:
    """Read what came out of the last run of a grid, also while it runs.

    Args:
        path: The grid's folder.

    Raises:
        RunError: There is no grid, its record cannot be read, or cells were evaluated by different protocols.
    """
    folder = GridFolder(path)
    held = folder.recorded()
    first: dict[str, tuple[str, Scored]] = {}
    try:
        return GridResults(
            name=held["name"],
            metrics=tuple(held["metrics"]),
            axes={axis: tuple(values) for axis, values in held["axes"].items()},
            baseline=held["baseline"],
            cells=tuple(_found(folder, cell, held["metrics"], first) for cell in held["cells"]),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RunError(f"{path / 'grid.json'}: is no record of a grid; {error!r}") from error


def _found(
    folder: GridFolder, cell: Mapping[str, Any], metrics: list[str], first: dict[str, tuple[str, Scored]]
) -> CellResult:
    """Read what came out of a cell with a seed; one whose records cannot be read has failed."""
    try:
        result, evaluations = _result(folder, cell, metrics)
    except (RunError, DataError) as error:
        return CellResult(
            label=cell["label"],
            settings=cell["settings"],
            seed=cell["seed"],
            state="failed",
            metrics={},
            seconds=None,
            samples_per_second=None,
            curves={},
            error=str(error),
            digest=_digest(cell),
        )
    for metric, scored in evaluations.items():
        named = (f"{result.label!r}, seed {result.seed}", scored)
        verify_protocol(metric, first.setdefault(metric, named), named)
    return result


def _result(folder: GridFolder, cell: Mapping[str, Any], metrics: list[str]) -> tuple[CellResult, dict[str, Scored]]:
    """Read what came out of a cell with a seed, and the evaluations that its metrics are the headlines of."""
    units = [folder.unit(digest, stage) for stage, digest in cell["stages"].items()]
    records = [unit.held.finished() for unit in units]
    stage = units[-1].held
    last = {**summaries_of(stage), **records[-1]["results"]} if records[-1] else {}
    every = {metric: scored_of(stage, metric) for metric in metrics} if records[-1] else {}
    evaluations = {metric: scored for metric, scored in every.items() if scored is not None}
    seconds = [value for record in records if record and (value := number(record["results"], "seconds")) is not None]
    errors = [error for unit in units if (error := unit.error)]
    state = "missing"
    if records[-1]:
        state = "finished"
    elif any(unit.run.busy for unit in units):
        state = "running"
    elif errors:
        state = "failed"
    result = CellResult(
        label=cell["label"],
        settings=cell["settings"],
        seed=cell["seed"],
        state=state,
        metrics={metric: value for metric in metrics if (value := number(last, metric)) is not None},
        seconds=sum(seconds) if last and seconds else None,
        samples_per_second=number(last, "samples_per_second"),
        curves=_curves(units[-1]),
        error=errors[0] if state == "failed" else None,
        digest=_digest(cell),
        questions={metric: questions_of(scored) for metric, scored in evaluations.items()},
    )
    return result, evaluations


def _digest(cell: Mapping[str, Any]) -> str:
    """Name the last stage of a cell."""
    return str(list(cell["stages"].values())[-1])


def _curves(unit: UnitFolder) -> dict[str, list[tuple[int, float]]]:
    """Read the means of each term over the steps of a stage, as far as its runner logged them."""
    curves: dict[str, list[tuple[int, float]]] = {}
    try:
        lines = unit.held.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return curves
    for line in (line for line in lines if line.endswith("\n")):
        try:
            logged = json.loads(line)
            step, terms = int(logged["step"]), logged["terms"].items()
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        for name, term in terms:
            if (loss := number({"term": term}, "term.loss")) is not None:
                curves.setdefault(name, []).append((step, loss))
    return curves
