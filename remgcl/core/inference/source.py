"""What a path names: a run, a stage, its model folder, or a checkpoint of an interrupted stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from remgcl.core.errors import Hint, RunError, listed
from remgcl.core.files.manifest import STEP, flaw
from remgcl.core.files.whole import read
from remgcl.core.model.saved import PARTS_FILE, saved_parts
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.stage import StageFolder
from remgcl.core.runs.start import run_of, start_in

if TYPE_CHECKING:
    from remgcl.core.model.model import Model


@frozen(eq=False, kw_only=True)
class Source:
    """Where a model comes from, and how it is filled.

    Attributes:
        recipe: The recipe that it is built by.
        stage: The stage whose template and image settings it uses.
        saved: Files of saved parts, by name.
        fill: Loads into the built model what `saved` does not hold.
        provenance: Where it comes from, for people and records.
    """

    recipe: Recipe
    stage: str
    saved: Mapping[str, Path] = field(factory=dict)
    fill: Callable[[Model], None] | None = None
    provenance: Mapping[str, Any] = field(factory=dict)


def is_run(path: Path) -> bool:
    """Return whether a path lies in a run folder: the run, a stage, its model or a checkpoint.

    Args:
        path: An existing folder.
    """
    return run_of(path.absolute()) is not None


def from_run(path: Path, read_recipe: Callable[[Path], Recipe], stage: str | None = None) -> Source:
    """Find the model that a path in a run folder names.

    Args:
        path: The run, a stage, its model folder or a checkpoint.
        read_recipe: Reads a recipe file.
        stage: The stage's key, where the path names a run.

    Raises:
        RecipeError: The run's recipe cannot be read.
        RunError: The run holds no such model.
    """
    run = run_of(path.absolute())
    if run is None:
        raise RunError(f"{path}: is no run folder; there is no recipe.toml in it or above it")
    recipe = read_recipe(run.recipe)
    inside = path.resolve().relative_to(run.path.resolve()).parts
    named = inside[0] if inside else stage
    if named is not None and named not in recipe.stages:
        raise RunError(f"{run.path}: no stage {named!r}; {Hint(named, tuple(recipe.stages))}")
    if inside and stage not in (None, named):
        raise RunError(f"{path}: is of stage {named!r}; expected stage {stage!r}")
    if any(part.startswith(STEP) for part in inside):
        return _checkpoint(run, recipe, str(named), path)
    return _stage(run, recipe, named)


def _stage(run: RunFolder, recipe: Recipe, name: str | None) -> Source:
    """Take a finished stage, or the newest checkpoint of one that is not; without a name, the last that has either."""
    for key in reversed([*recipe.stages] if name is None else [name]):
        folder = run.stage(key)
        record = folder.finished()
        if record is not None:
            return _finished(run, recipe, key, folder, record)
        newest, _ = folder.checkpoints.newest() if folder.begun() else (None, [])
        if newest is not None:
            return _checkpoint(run, recipe, key, newest)
    what = f"stage {name!r} has" if name else f"none of {listed(recipe.stages)} has"
    raise RunError(f"{run.path}: {what} a model or a valid checkpoint; run the recipe first")


def _finished(run: RunFolder, recipe: Recipe, key: str, folder: StageFolder, record: Mapping[str, Any]) -> Source:
    return Source(
        recipe=recipe,
        stage=key,
        saved=saved_parts(folder.model),
        provenance={
            "source": str(run.path),
            "format": "run",
            "stage": key,
            "stages": list(recipe.lineage(key)),
            "model": str(folder.model),
            "state": "finished",
            "results": record["results"],
            "about": record.get("about", {}),
        },
    )


def _checkpoint(run: RunFolder, recipe: Recipe, key: str, path: Path) -> Source:
    """Take a checkpoint: what the stage started from, and what it has learned since."""
    folder = run.stage(key)
    step = path.name.removeprefix(STEP)
    wrong = flaw(path, {"run": folder.checkpoints.run, "step": int(step) if step.isdecimal() else None})
    if wrong:
        raise RunError(f"{path}: is no valid checkpoint; {wrong}")
    if not (path / "objective.json").exists():
        raise RunError(f"{path}: is sharded over ranks and cannot be loaded alone; run the recipe again to finish it")
    after, source = recipe.stages[key].after, recipe.stages[key].source
    start = run.stage(after) if after else start_in(Path(source)) if source else None

    def fill(model: Model) -> None:
        from remgcl.core.training.state import load, restore_model

        restore_model(model, load(path, "objective"), path)

    return Source(
        recipe=recipe,
        stage=key,
        saved=saved_parts(start.model) if start else {},
        fill=fill,
        provenance={
            "source": str(run.path),
            "format": "run",
            "stage": key,
            "stages": list(recipe.lineage(key)),
            "model": str(path),
            "state": f"checkpoint of step {int(step)}",
            "about": read(run.path / "about.json") or {},
        },
    )


def nothing(path: Path) -> RunError:
    """Make the error for a folder without a model, with a hint.

    Args:
        path: The folder.
    """
    if not path.exists():
        return RunError(
            f"{path}: there is no such folder; name a run, a stage or a checkpoint, as in 'runs/quickstart'"
        )
    held = sorted(each.name for each in path.iterdir())[:5] if path.is_dir() else []
    what = f"is no model; it holds {listed(held)}" if path.is_dir() else "is a file, not the folder of a model"
    return RunError(f"{path}: {what}; a run folder has recipe.toml, a saved model {PARTS_FILE} inside one")
