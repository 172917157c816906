"""The folder of a grid.

It holds::

    grid.json                the cells of the last run, and the stages of each
    lock                     held by the process that runs the grid
    stages/DIGEST/           a run folder for each different stage
    stages/DIGEST/log.txt    what its training printed
    stages/DIGEST/failed.json  why its last attempt failed, if it did
    cells/LABEL/seed-N       for people: a link to the last stage of the cell

The run folder of a stage is whole: the stages before it are links to those of
their own run folders. A digest covers all inputs of a stage, so an edited
recipe finds what has not changed, and loses nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl.core.errors import RunError
from remgcl.core.files.whole import as_json, locked, read, write, writing
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.stage import StageFolder

LONGEST = 200
"""Characters of a cell's folder; file systems take about 255 bytes."""


@frozen
class UnitFolder:
    """The run folder of one stage.

    Attributes:
        run: The run folder.
        stage: The stage's key.
    """

    run: RunFolder
    stage: str

    @property
    def held(self) -> StageFolder:
        """The folder of the stage itself."""
        return self.run.stage(self.stage)

    @property
    def log(self) -> Path:
        """What its training printed."""
        return self.run.path / "log.txt"

    @property
    def error(self) -> str | None:
        """Why the last attempt failed, if it did."""
        record = read(self.run.path / "failed.json")
        return None if record is None else str(record.get("error"))

    def prepare(self, recipe: str, before: Mapping[str, Path]) -> None:
        """Write the recipe, and link the stages before.

        Args:
            recipe: The recipe as far as this stage, as TOML.
            before: Folders of the stages before it, by their keys.

        Raises:
            RunError: The folder cannot be written.
        """
        with writing(self.run.path):
            self.run.path.mkdir(parents=True, exist_ok=True)
            write(self.run.recipe, recipe.encode())
            for name, folder in before.items():
                _link(self.run.path / name, folder)
            (self.run.path / "failed.json").unlink(missing_ok=True)

    def fail(self, error: str) -> None:
        """Keep why an attempt failed; a full disk may not take it.

        Args:
            error: Why.
        """
        with suppress(OSError):
            self.run.path.mkdir(parents=True, exist_ok=True)
            write(self.run.path / "failed.json", as_json({"error": error}))


@frozen
class GridFolder:
    """The folder of a grid.

    Attributes:
        path: Where it is.
    """

    path: Path

    def unit(self, digest: str, stage: str) -> UnitFolder:
        """Return the run folder of a stage.

        Args:
            digest: Of all its inputs.
            stage: Its key.
        """
        return UnitFolder(RunFolder(self.path / "stages" / digest), stage)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and keep others from running the grid meanwhile.

        Raises:
            RunError: Another process runs it, or it cannot be written.
        """
        with ExitStack() as stack:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                held = stack.enter_context(locked(self.path / "lock"))
            if not held:
                raise RunError(f"{self.path}: the grid is being run already; wait for its end, or name another folder")
            yield

    def record(self, held: Mapping[str, Any], links: Mapping[tuple[str, int], Path]) -> None:
        """Write the cells, and link their last stages.

        Args:
            held: What `grid.json` holds.
            links: The folder of the last stage, by the cell's label and seed.

        Raises:
            RunError: The folder cannot be written.
        """
        cells = self.path / "cells"
        with writing(self.path):
            write(self.path / "grid.json", as_json(held))
            if cells.exists():
                shutil.rmtree(cells)  # links, and folders of links
            names = _names([label for label, _ in links])
            for (label, seed), folder in links.items():
                (cells / names[label]).mkdir(parents=True, exist_ok=True)
                _link(cells / names[label] / f"seed-{seed}", folder)

    def recorded(self) -> dict[str, Any]:
        """Read the cells of the last run.

        Raises:
            RunError: The grid was never run there, or the record cannot be read.
        """
        held = read(self.path / "grid.json")
        if held is None:
            raise RunError(f"{self.path}: holds no grid; there is no grid.json, which remgcl grid run writes")
        return held


def _link(at: Path, folder: Path) -> None:
    """Link a folder, by a way that holds when all is moved together."""
    if at.is_symlink():
        at.unlink()
    at.symlink_to(os.path.relpath(folder, at.parent), target_is_directory=True)


def _names(labels: list[str]) -> dict[str, str]:
    """Name a folder for each cell; what a file system may not take is left out."""
    names: dict[str, str] = {}
    for label in labels:
        name = wanted = re.sub(r"[^\w.,=+-]", "_", label.replace(", ", ","))[:LONGEST]
        while label not in names and name in names.values():
            name = f"{wanted}~{len(names)}"
        names.setdefault(label, name)
    return names
