"""What came out of small grids, and grids that train nothing but note what they were asked to."""

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from attrs import Factory, define, frozen
from rich.console import Console

from remgcl import Engine, Executor, Job, RemgclError, RunError, RunFolder, Runner, Submit, Task, hookimpl
from remgcl.core.grid import run as module
from remgcl.core.grid.folder import GridFolder
from remgcl.core.grid.plan import plan_grid, read_grid
from remgcl.core.grid.progress import Row
from remgcl.core.grid.report.write import write_report
from remgcl.core.grid.results import CellResult, GridResults
from remgcl.core.grid.run import Run


def result_of(label: str, seed: int, **changed: Any) -> CellResult:  # noqa: ANN401 - any field
    """Make a run that finished, with some fields as told."""
    fields: dict[str, Any] = {
        "settings": {"losses": label},
        "state": "finished",
        "metrics": {},
        "seconds": None,
        "samples_per_second": None,
        "curves": {},
    }
    return CellResult(label=label, seed=seed, **fields | changed)


def grid_of(values: Mapping[str, Mapping[int, float]], **changed: Any) -> GridResults:  # noqa: ANN401 - any field
    """Make a grid of the exact matches of cells by seed; the first cell is the baseline."""
    runs = tuple(
        result_of(label, seed, metrics={"exact_match": value})
        for label, found in values.items()
        for seed, value in found.items()
    )
    fields: dict[str, Any] = {
        "name": "small",
        "metrics": ("exact_match",),
        "axes": {"losses": tuple(values)},
        "baseline": next(iter(values), None),
        "cells": runs,
    }
    return GridResults(**fields | changed)


def curve(start: float, end: float) -> list[tuple[int, float]]:
    """Make a learning curve of ten points."""
    return [(10 * step, end + (start - end) * math.exp(-step / 3)) for step in range(1, 11)]


@pytest.fixture(scope="session")
def result() -> Callable[..., CellResult]:
    """A function that makes a run that finished, with some fields as told."""
    return result_of


@pytest.fixture(scope="session")
def grid() -> Callable[..., GridResults]:
    """A function that makes a grid of exact matches by cell and seed; the first cell is the baseline."""
    return grid_of


@pytest.fixture(scope="session")
def losses() -> GridResults:
    """Four cells with three seeds each, all measured by two metrics but for one run that failed."""
    runs = []
    for place, label in enumerate(("none", "global", "a|b_c & <d>", "all")):
        for seed in range(3):
            if (label, seed) == ("all", 2):
                runs.append(result_of(label, seed, state="failed", error="RunError: step 3:\n  a loss is nan"))
                continue
            match = 0.5 + 0.1 * place + 0.02 * seed + 0.003 * (seed * place % 2)
            curves = {"language": curve(6 - seed / 9, 2 - match)} | ({"global": curve(3, 1)} if place else {})
            metrics = {"exact_match": match, "language_loss": 2.5 - match}
            cost = {"seconds": 100.0 * (place + 1) + seed, "samples_per_second": 50.0 / (place + 1)}
            runs.append(result_of(label, seed, metrics=metrics, curves=curves, **cost))
    axes = {"losses": ("none", "global", "a|b_c & <d>", "all")}
    metrics = ("exact_match", "language_loss")
    return GridResults(name="losses & more", metrics=metrics, axes=axes, baseline="none", cells=tuple(runs))


@pytest.fixture(scope="session")
def report(losses: GridResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report of the four cells."""
    folder = tmp_path_factory.mktemp("grid") / "report"
    write_report(losses, folder)
    return folder


@frozen(kw_only=True)
class Noting(Runner):
    """A runner that trains nothing, but finishes stages, and fails those of a loss.

    Attributes:
        fails: The loss, or the stage.
    """

    fails: str = ""

    def run(self, job: Job) -> None:
        """Finish the stage, or fail."""
        terms = {name: {"loss": 0.5} for name in ("language", *job.stage.losses)}
        job.folder.log({"step": 1, "samples_per_second": 2.0, "terms": terms})
        if self.fails in {job.name, *job.stage.losses}:
            raise RunError(f"stage {job.name!r}: the objective is not finite\nand more")
        match = {"before": 0.25, "after": 0.5 + job.recipe.seed / 100}
        job.folder.finish(job.inputs, {"exact_match": match, "seconds": 3.0, "samples_per_second": 2.0})


@frozen(kw_only=True)
class Here(Executor):
    """An executor that runs tasks in this process, one after the other."""

    ran: ClassVar[list[str]] = []
    before: ClassVar[dict[str, Callable[[], object]]] = {}
    engine: ClassVar[list[Engine]] = []

    @contextmanager
    def open(self) -> Iterator[Submit]:
        """Run each task when it is submitted."""
        yield self.submit

    def submit(self, task: Task) -> Future[int]:
        """Run a task; do first what a test wants."""
        recipe, folder = Path(task.command[4]), Path(task.command[6])
        engine, future = self.engine[0], Future[int]()
        stage = list(engine.read(recipe).stages.items())[-1]
        name = "+".join([stage[0], *stage[1].losses])
        self.before.get(name, lambda: None)()
        self.ran.append(name)
        with task.log.open("a") as log:
            try:
                engine.run(engine.read(recipe), RunFolder(folder), Console(file=log), str(recipe))
            except RemgclError as error:
                log.write(f"error: {error}\n".replace("\nand", "\nerror: and"))
                future.set_result(2)
            else:
                future.set_result(0)
        return future


@define
class Grids:
    """Runs grids of the small recipe in a folder.

    Attributes:
        folder: The grid's folder.
        engine: The parts, those above among them.
        write: Writes the grid's file.
        rows: What was told last.
    """

    folder: GridFolder
    engine: Engine
    write: Callable[[str], Path]
    rows: list[Row] = Factory(list)

    def prepare(self, text: str, *overrides: str) -> Run:
        """Read and check a grid."""
        path = self.write(f'executor = "here"\nset = {{ runner.use = "noting" }}\n{text}')
        return Run.of(self.engine, plan_grid(self.engine, read_grid(self.engine, path, overrides)), self.folder)

    def run(self, text: str, *overrides: str) -> list[str]:
        """Run a grid, and name what was trained."""
        Here.ran.clear()
        self.whole = self.prepare(text, *overrides).run(self._tell)
        return list(Here.ran)

    whole: bool = False

    def _tell(self, rows: list[Row]) -> None:
        self.rows = rows


@pytest.fixture
def grids(tmp_path: Path, write_grid: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Grids:
    """A way to run grids that take no time."""
    plugin = SimpleNamespace(
        remgcl_register_runners=hookimpl(lambda: {"noting": Noting}, specname="remgcl_register_runners"),
        remgcl_register_executors=hookimpl(lambda: {"here": Here}, specname="remgcl_register_executors"),
    )
    own = {point.name: point.load() for point in entry_points(group="remgcl") if point.name.startswith("remgcl.")}
    engine = Engine.of({**own, "noting": plugin})
    Here.engine[:] = [engine]
    Here.before.clear()
    monkeypatch.setattr(module, "REFRESH", 0.01)
    monkeypatch.setattr("remgcl.core.runs.provenance._commit", lambda: None)
    return Grids(GridFolder(tmp_path / "grid"), engine, write_grid)
