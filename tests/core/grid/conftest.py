"""What came out of small grids."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from remgcl.core.grid.report import write_report
from remgcl.core.grid.results import CellResult, GridResults


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
