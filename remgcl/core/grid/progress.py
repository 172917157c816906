"""How far the cells of a grid are, read from their folders, whoever trains them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from attrs import Factory, define, frozen

from remgcl.core.errors import RunError
from remgcl.core.grid.evaluations import summaries_of
from remgcl.core.grid.folder import GridFolder
from remgcl.core.grid.plan import GridPlan, Member, Unit

State: TypeAlias = Literal["waiting", "running", "finished", "failed"]

TAIL = 1 << 16
"""Bytes at the end of a file of metrics in which its last line is."""


@frozen(kw_only=True)
class Row:
    """How far a cell with a seed is.

    Attributes:
        label: What the cell is called.
        seed: The seed.
        state: How its last stage is, or the stage that keeps it from running.
        stage: The stage that runs, failed or waits; the last one if all are finished.
        step: Optimizer steps of that stage that are done, by its log.
        steps: All of them.
        losses: The last mean of each term.
        metric: The most important metric, if the cell is finished and has it.
        left: Seconds until the stage ends, if its log has the speed.
        error: Why the stage failed.
        log: What the training of that stage printed, if it printed anything.
    """

    label: str
    seed: int
    state: State
    stage: str
    step: int
    steps: int
    losses: Mapping[str, float]
    metric: float | None = None
    left: float | None = None
    error: str | None = None
    log: Path | None = None


@define
class GridProgress:
    """How far the stages of a grid are.

    Attributes:
        plan: The grid.
        folder: Its folder.
        running: Digests of the stages that run.
        failed: Why stages failed, by digest.
    """

    plan: GridPlan
    folder: GridFolder
    running: Collection[str] = ()
    failed: dict[str, str] = Factory(dict)
    _results: dict[str, dict[str, Any]] = Factory(dict)

    def results(self, unit: Unit) -> dict[str, Any] | None:
        """Return the results of a stage, if it is finished with its current inputs, and evaluated.

        One whose record cannot be read, or was made with something else, has failed.

        Args:
            unit: The stage.
        """
        if unit.digest not in self._results:
            held = self.folder.unit(unit.digest, unit.stage)
            try:
                record = held.held.finished() if held.run.finished(unit.stage, unit.inputs) else None
            except RunError as error:
                self.failed[unit.digest] = str(error)
                return None
            summaries = summaries_of(held.held)
            if record is None or unit.recipe.stages[unit.stage].evaluation.keys() - summaries.keys():
                return None
            self._results[unit.digest] = {**summaries, **record["results"]}
            self.failed.pop(unit.digest, None)
        return self._results[unit.digest]

    def rows(self) -> list[Row]:
        """Return the progress of each cell with each seed."""
        return [self._row(member) for member in self.plan.members]

    def _row(self, member: Member) -> Row:
        units = [self.plan.units[digest] for digest in member.units.values()]
        unit = next((unit for unit in units if self.results(unit) is None), units[-1])
        results = self.results(unit)
        state = self._state(unit)
        folder = self.folder.unit(unit.digest, unit.stage)
        line = {} if state == "waiting" else _last_line(folder.held.metrics)
        stage, step, speed = (
            unit.recipe.stages[unit.stage],
            int(number(line, "step") or 0),
            number(line, "samples_per_second"),
        )
        samples = (unit.plan.steps - step) * stage.batch_size * stage.gradient_accumulation_steps * unit.processes
        return Row(
            label=member.cell.label,
            seed=member.seed,
            state=state,
            stage=unit.stage,
            step=step,
            steps=unit.plan.steps,
            losses=_losses(line.get("terms")),
            metric=None if results is None else number(results, self.plan.grid.file.metrics[0]),
            left=samples / speed if speed and state == "running" else None,
            error=self.failed.get(unit.digest),
            log=folder.log if folder.log.exists() else None,
        )

    def _state(self, unit: Unit) -> State:
        if self.results(unit) is not None:
            return "finished"
        if unit.digest in self.failed:
            return "failed"
        return "running" if unit.digest in self.running else "waiting"


def _losses(terms: object) -> dict[str, float]:
    """Return the mean of each term that was logged."""
    logged = terms.items() if isinstance(terms, Mapping) else ()
    return {name: loss for name, term in logged if (loss := number({"term": term}, "term.loss")) is not None}


def number(results: Mapping[str, Any], metric: str) -> float | None:
    """Find a metric in what came out of a stage; of a table its value after the training.

    Args:
        results: What came out.
        metric: The metric's key, with dots.
    """
    value: Any = results
    for name in metric.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        value = value.get("after", value.get("last"))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _last_line(metrics: Path) -> dict[str, Any]:
    """Read the last complete line of a file of metrics, if there is one yet."""
    try:
        with metrics.open("rb") as file:
            file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            lines = file.read().rpartition(b"\n")[0].splitlines()
        held: Any = json.loads(lines[-1])
    except (OSError, IndexError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
