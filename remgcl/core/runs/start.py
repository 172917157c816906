"""What a stage starts from: a finished stage of another run, found by a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from remgcl.core.errors import Hint, RunError
from remgcl.core.recipe import document
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.stage import BEGUN, StageFolder


def is_start(path: Path) -> bool:
    """Return whether a path is a run folder, a stage's folder or its model folder.

    Args:
        path: Any path.
    """
    return run_of(path) is not None


def start_in(path: Path) -> StageFolder:
    """Find the finished stage that a path names.

    Args:
        path: A run folder, whose last finished stage is taken, or the folder of a stage or of its model.

    Raises:
        RecipeError: The run's recipe cannot be read.
        RunError: There is no such stage, or it is not finished.
    """
    run = run_of(path)
    if run is None:
        raise RunError(f"{path}: is no run folder; there is no recipe.toml in it or above it")
    stages = tuple(tables_of(path)["stages"])
    inside = path.absolute().relative_to(run.path.absolute()).parts
    if inside and inside[0] not in stages:
        raise RunError(f"{run.path}: no stage {inside[0]!r}; {Hint(inside[0], stages)}")
    for name in reversed(inside[:1] or stages):
        if run.stage(name).finished() is not None:
            return run.stage(name)
    what = f"stage {inside[0]!r} is not finished" if inside else "no stage is finished"
    raise RunError(f"{run.path}: {what}, so nothing can start from it; run its recipe first")


def tables_of(path: Path) -> dict[str, Any]:
    """Read the recipe of the run that a path lies in, as tables.

    Args:
        path: As in `start_in`.

    Raises:
        RecipeError: The recipe cannot be read.
        RunError: There is no run, or its recipe holds no stages.
    """
    run = run_of(path)
    table = document.read(run.recipe).table if run else {}
    if not isinstance(table.get("stages"), dict):
        raise RunError(f"{path}: is no run folder; its recipe.toml holds no stages")
    return table


def root_of(path: Path) -> Path:
    """Name the run folder that a path lies in; the path itself where it lies in none.

    Args:
        path: As in `start_in`.
    """
    run = run_of(path)
    return run.path if run else path


def run_of(path: Path) -> RunFolder | None:
    """Find the run folder that a path is, or lies in: a stage, its model or a checkpoint.

    A folder beside some recipe.toml is no stage: a stage holds its record.

    Args:
        path: Any path.
    """
    if not path.is_dir():
        return None
    if RunFolder(path).recipe.is_file():
        return RunFolder(path)
    stages = zip((path, *path.parents), path.parents[:3], strict=False)
    return next((RunFolder(at) for stage, at in stages if RunFolder(at).recipe.is_file() and _is_stage(stage)), None)


def _is_stage(path: Path) -> bool:
    return any((path / name).is_file() for name in ("stage.json", BEGUN))
