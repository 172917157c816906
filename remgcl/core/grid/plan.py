"""What a grid will train: each different stage once, for all cells that need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from remgcl.core.engine import Engine
from remgcl.core.errors import Fault, FaultsError, Hint, RecipeError, ValueFaultError
from remgcl.core.evaluation.measure import EXACT_MATCH, measure_in
from remgcl.core.evaluation.stage import unmeasurable
from remgcl.core.exchange.starting import understood
from remgcl.core.files.extras import missing
from remgcl.core.grid.axes import Axis, read_axes, read_settings
from remgcl.core.grid.cells import Cell, find_baseline, lay, make_cells
from remgcl.core.grid.file import GridFile, read_file
from remgcl.core.planning.identity import digest_of
from remgcl.core.planning.plan import Findings, Plan, StagePlan, make_plan
from remgcl.core.recipe import document
from remgcl.core.recipe.recipe import LANGUAGE, Recipe
from remgcl.core.registry.culprit import foreign

MEASURED = "seconds", "samples", "samples_per_second"
"""What the project's runners measure beside held-out samples and the terms of the objective."""


@frozen(kw_only=True, eq=False)
class Unit:
    """A stage that is trained once, whatever number of cells need it.

    Attributes:
        digest: Of all its inputs; its name.
        stage: Its key in the recipe.
        recipe: The recipe, as far as this stage.
        inputs: Its inputs, as its run folder records them.
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
class Grid:
    """A grid that was read.

    Attributes:
        file: As it is written.
        path: Where it is written.
        axes: What is varied.
        baseline: The label of the cell that others are compared with, if any.
        cells: All cells.
        recipes: The recipe of each cell, by its label.
    """

    file: GridFile
    path: Path
    axes: tuple[Axis, ...]
    baseline: str | None
    cells: tuple[Cell, ...]
    recipes: Mapping[str, Recipe]


@frozen(kw_only=True, eq=False)
class GridPlan:
    """A grid that was checked.

    Attributes:
        grid: The grid.
        members: All cells with each seed, seed after seed.
        units: The distinct stages, by digest; the stage that another starts from comes before it.
    """

    grid: Grid
    members: tuple[Member, ...]
    units: Mapping[str, Unit]


def read_grid(engine: Engine, path: Path, overrides: Sequence[str] = ()) -> Grid:
    """Read a grid, its base and all its cells.

    Args:
        engine: The parts.
        path: The grid's file.
        overrides: ``key=value`` each, laid over the base after the grid's own settings.

    Raises:
        FaultsError: All faults of the grid's file, or of its cells.
    """
    name = str(path)
    file = read_file(path, engine.registry)
    base = document.load(path.parent / file.base)
    try:
        lay(base, read_settings(file.set_, base), name)
    except ValueFaultError as error:
        raise RecipeError([Fault(name, document.dotted(("set", *error.key)), str(error))]) from None
    document.override(base, overrides)
    axes = read_axes(file.axes, name, base, engine.registry)
    cells = make_cells(file, name, base, axes)
    baseline = find_baseline(file, name, axes, cells)
    collected = _CellFaults(name, len(cells))
    recipes: dict[str, Recipe] = {}
    measures: dict[str, None] = {}
    for cell in cells:
        with collected.of(cell):
            document.fill_paths(cell.document)
            recipe = recipes[cell.label] = engine.read_document(cell.document)
            _verify_held_out(recipe, name, file)
            _verify_starts(recipe, name)
            tables = engine.table(recipe)["stages"]
            _refuse(unmeasurable(recipe, name, tables))
            last = list(recipe.stages)[-1]
            measures |= {measure_in(tables[last]): None} if recipe.stages[last].validation else {}
    collected.raise_all()
    _verify_metrics(list(recipes.values()), tuple(measures), name, file)
    return Grid(file=file, path=path, axes=axes, baseline=baseline, cells=cells, recipes=recipes)


def plan_grid(engine: Engine, grid: Grid) -> GridPlan:
    """Verify that each cell can be trained, and find the different stages of all.

    Args:
        engine: The parts.
        grid: The grid.

    Raises:
        FaultsError: All that would stop a cell, or the axes that change nothing.
        RemgclError: The executor cannot be used.
    """
    faults = [Fault(str(grid.path), "executor", what) for what in missing(grid.file.executor.requires)]
    if faults:
        raise RecipeError(faults)
    grid.file.executor.verify()
    name, findings = str(grid.path), Findings()
    collected = _CellFaults(name, len(grid.cells))
    plans: dict[str, Plan] = {}
    for cell in grid.cells:
        with collected.of(cell):
            plans[cell.label] = make_plan(grid.recipes[cell.label], name, findings=findings)
    collected.raise_all()
    units: dict[str, Unit] = {}
    members = []
    inputs = {cell.label: engine.inputs(grid.recipes[cell.label], plans[cell.label]) for cell in grid.cells}
    for seed in grid.file.seeds or (grid.recipes[grid.cells[0].label].seed,):
        for cell in grid.cells:
            recipe = evolve(grid.recipes[cell.label], seed=seed)
            seeded = {key: {**made, "seed": seed} for key, made in inputs[cell.label].items()}
            digests = _add(units, recipe, plans[cell.label], seeded)
            members.append(Member(cell=cell, seed=seed, units=digests))
    _verify_axes(grid, members[: len(grid.cells)])
    return GridPlan(grid=grid, members=tuple(members), units=units)


def _verify_starts(recipe: Recipe, name: str) -> None:
    """Refuse stages that start from published models: each of a grid's run folders would hold a copy."""
    wrong = "a grid starts from runs; import it once with: remgcl import SOURCE --out RUN"
    sources = {key: stage.source for key, stage in recipe.stages.items() if stage.source}
    faults = [Fault(name, f"stages.{key}.from", wrong) for key, path in sources.items() if understood(Path(path))]
    if faults:
        raise RecipeError(faults)


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise FaultsError(list(faults))


class _CellFaults:
    """Faults of cells; a fault of many cells is reported once."""

    def __init__(self, name: str, cells: int) -> None:
        self._name = name
        self._cells = cells
        self._labels: dict[Fault, list[str]] = {}

    @contextmanager
    def of(self, cell: Cell) -> Iterator[None]:
        """Keep the faults of a cell for later."""
        try:
            yield
        except FaultsError as error:
            for fault in error.faults:
                self._labels.setdefault(fault, []).append(cell.label)

    def raise_all(self) -> None:
        """Raise what was kept."""
        if self._labels:
            raise FaultsError([self._worded(fault, labels) for fault, labels in self._labels.items()])

    def _worded(self, fault: Fault, labels: Sequence[str]) -> Fault:
        where = fault.where or self._name
        if len(labels) == self._cells:
            return evolve(fault, where=where)
        more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        return evolve(fault, where=f"{where}: cell {labels[0]!r}{more}")


def _verify_metrics(recipes: Sequence[Recipe], measures: Sequence[str], name: str, file: GridFile) -> None:
    """Verify that the last stage of some cell will measure each metric; runners of third parties may measure any."""
    if any(foreign(recipe.runner) for recipe in recipes):
        return
    last = [recipe.stages[list(recipe.stages)[-1]] for recipe in recipes]
    losses = [loss for stage in last for loss in stage.losses]
    evaluations = dict.fromkeys(key for stage in last for key in stage.evaluation)
    terms = [f"terms.{term}" for term in dict.fromkeys((LANGUAGE, *losses))]
    known = *measures, *MEASURED, *terms, *(f"{key}.score" for key in evaluations)
    moments = {**dict.fromkeys(measures, ("before", "after")), **dict.fromkeys(terms, ("first", "last"))}
    measured = {*known, *(f"{metric}.{moment}" for metric, both in moments.items() for moment in both)}
    faults = [
        Fault(name, document.dotted(("metrics", str(place))), f"{metric!r} is not measured; {Hint(metric, known)}")
        for place, metric in enumerate(file.metrics)
        if metric not in measured and metric.partition(".")[0] not in evaluations
    ]
    if faults:
        raise RecipeError(faults)


def _verify_held_out(recipe: Recipe, name: str, file: GridFile) -> None:
    """Verify that there are held-out samples if their metric is wanted."""
    key = list(recipe.stages)[-1]
    if EXACT_MATCH in file.metrics and not recipe.stages[key].validation:
        message = f"{EXACT_MATCH!r} needs held-out samples; stage {key!r} has no validation"
        raise FaultsError([Fault(name, "metrics", message)])


def _verify_axes(grid: Grid, members: Sequence[Member]) -> None:
    """Verify that the cells of one seed differ along each axis."""
    faults = []
    for axis in grid.axes:
        alike: dict[frozenset[tuple[str, str]], list[str]] = {}
        for member in members:
            others = frozenset(member.cell.settings.items() - {(axis.label, member.cell.settings[axis.label])})
            alike.setdefault(others, []).append(member.last)
        several = [digests for digests in alike.values() if len(digests) > 1]
        if several and all(len(set(digests)) == 1 for digests in several):
            message = "changes no input of a stage, so all its cells are the same; leave it out"
            faults.append(Fault(str(grid.path), document.dotted(("axes", axis.key)), message))
    if faults:
        raise RecipeError(faults)


def _add(
    units: dict[str, Unit],
    recipe: Recipe,
    plan: Plan,
    inputs: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """Add the stages of a recipe that are not there yet, as far as its last stage needs them."""
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
