"""What a grid will train: each different stage once, for all cells that need it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from remgcl.core import document
from remgcl.core.document import Document
from remgcl.core.engine import Engine
from remgcl.core.errors import Fault, FaultsError, RecipeError, ValueFaultError
from remgcl.core.files import as_json
from remgcl.core.grid.axes import Axis, read_axes, read_settings
from remgcl.core.grid.cells import Cell, find_baseline, lay, make_cells
from remgcl.core.grid.file import GridFile, read_file
from remgcl.core.plan import Findings, Plan, StagePlan, make_plan
from remgcl.core.recipe import Recipe
from remgcl.core.structure import Structure

EXACT_MATCH = "exact_match"
"""The metric of held-out samples."""

DIGITS = 16
"""Hexadecimal digits that tell stages apart."""


@frozen(kw_only=True, eq=False)
class Unit:
    """A stage that is trained once, whatever number of cells need it.

    Attributes:
        digest: Of all that it is made of; its name.
        stage: Its key in the recipe.
        recipe: The recipe, as far as this stage.
        inputs: All that it is made of.
        before: The digest of the stage it starts from, if any.
        plan: What it will do.
        processes: Processes that its runner starts.
    """

    digest: str
    stage: str
    recipe: Recipe
    inputs: Mapping[str, Any]
    before: str | None
    plan: StagePlan
    processes: int


@frozen(kw_only=True, eq=False)
class Member:
    """A cell with a seed.

    Attributes:
        cell: The cell.
        seed: The seed.
        units: Digests of its stages, by their keys; the last is what the cell is judged by.
    """

    cell: Cell
    seed: int
    units: Mapping[str, str]

    @property
    def label(self) -> str:
        """How it is called."""
        return f"{self.cell.label}, seed {self.seed}"

    @property
    def last(self) -> str:
        """The digest of its last stage."""
        return list(self.units.values())[-1]


@frozen(kw_only=True, eq=False)
class GridPlan:
    """A grid that was read and checked.

    Attributes:
        file: As it is written.
        path: Where it is written.
        axes: What is varied.
        baseline: The label of the cell that others are compared with, if any.
        cells: All cells.
        members: All cells with each seed, seed after seed.
        units: What is trained, by digest; what a stage starts from comes before it.
    """

    file: GridFile
    path: Path
    axes: tuple[Axis, ...]
    baseline: str | None
    cells: tuple[Cell, ...]
    members: tuple[Member, ...]
    units: Mapping[str, Unit]


def read_grid(engine: Engine, path: Path, overrides: Sequence[str] = ()) -> GridPlan:
    """Read a grid, its base and all its cells, and verify that each can be trained.

    Args:
        engine: The parts.
        path: The grid's file.
        overrides: ``key=value`` each, laid over the base after the grid's own settings.

    Raises:
        FaultsError: All that would stop a cell.
    """
    name = str(path)
    grid = read_file(path, engine.registry)
    grid.executor.verify()
    base = document.load(path.parent / grid.base)
    try:
        lay(base, read_settings(grid.set_, base), name)
    except ValueFaultError as error:
        raise RecipeError([Fault(name, document.dotted(("set", *error.key)), str(error))]) from None
    document.override(base, overrides)
    axes = read_axes(grid.axes, name, base, engine.registry)
    cells = make_cells(grid, name, base, axes)
    baseline = find_baseline(grid, name, axes, cells)
    plans = _checked(engine, cells, name, grid)
    units: dict[str, Unit] = {}
    members = tuple(
        Member(cell=cell, seed=seed, units=_add(units, engine, evolve(recipe, seed=seed), plan))
        for seed in grid.seeds or (plans[0][0].seed,)
        for cell, (recipe, plan) in zip(cells, plans, strict=True)
    )
    return GridPlan(file=grid, path=path, axes=axes, baseline=baseline, cells=cells, members=members, units=units)


def digest_of(inputs: Mapping[str, Any]) -> str:
    """Name a stage by all that it is made of.

    Args:
        inputs: As an engine gives them.
    """
    told = json.dumps(json.loads(as_json(inputs)), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:DIGITS]


class _Told:
    """Faults of cells; what many have is told once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._cells: dict[Fault, list[str]] = {}

    def add(self, cell: Cell, faults: Sequence[Fault]) -> None:
        for fault in faults:
            self._cells.setdefault(fault, []).append(cell.label)

    def raise_if_any(self, cells: int) -> None:
        if self._cells:
            raise FaultsError([self._worded(fault, labels, cells) for fault, labels in self._cells.items()])

    def _worded(self, fault: Fault, labels: Sequence[str], cells: int) -> Fault:
        where = fault.where or self._name
        if len(labels) == cells:
            return evolve(fault, where=where)
        more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        return evolve(fault, where=f"{where}: cell {labels[0]!r}{more}")


def _checked(engine: Engine, cells: Sequence[Cell], name: str, grid: GridFile) -> list[tuple[Recipe, Plan]]:
    """Read the recipe of each cell, and plan it."""
    told = _Told(name)
    recipes: list[tuple[Cell, Recipe]] = []
    for cell in cells:
        try:
            recipes.append((cell, _recipe(engine, cell.document)))
        except FaultsError as error:
            told.add(cell, error.faults)
    told.raise_if_any(len(cells))
    findings = Findings()
    plans = []
    for cell, recipe in recipes:
        told.add(cell, _unanswered(recipe, name, grid))
        try:
            plans.append((recipe, make_plan(recipe, name, findings=findings)))
        except FaultsError as error:
            told.add(cell, error.faults)
    told.raise_if_any(len(cells))
    return plans


def _recipe(engine: Engine, held: Document) -> Recipe:
    document.fill_paths(held)
    return Structure(engine.registry).read(held, Recipe)


def _unanswered(recipe: Recipe, name: str, grid: GridFile) -> list[Fault]:
    """Tell if the metric of held-out samples is wanted of a stage that has none."""
    key = list(recipe.stages)[-1]
    if EXACT_MATCH not in grid.metrics or recipe.stages[key].validation:
        return []
    told = f"{EXACT_MATCH!r} needs held-out samples; stage {key!r} has no validation"
    return [Fault(name, "metrics", told)]


def _add(units: dict[str, Unit], engine: Engine, recipe: Recipe, plan: Plan) -> dict[str, str]:
    """Add the stages of a recipe that are not there yet, as far as its last stage needs them."""
    inputs = engine.inputs(recipe, plan)
    digests: dict[str, str] = {}
    for key in recipe.lineage(list(recipe.stages)[-1]):
        digest = digests[key] = digest_of(inputs[key])
        before = recipe.stages[key].after
        units.setdefault(
            digest,
            Unit(
                digest=digest,
                stage=key,
                recipe=evolve(recipe, stages={name: recipe.stages[name] for name in recipe.lineage(key)}),
                inputs=inputs[key],
                before=digests[before] if before else None,
                plan=plan.stages[key],
                processes=plan.layout.processes or 1,
            ),
        )
    return digests
