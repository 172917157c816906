"""Run folders that describe themselves.

A run folder holds::

    recipe.toml              the resolved recipe
    lock                     held by the process that trains here
    about.json               versions of the project, its plugins and libraries, when it trained last
    sources/STAGE/           the published model that a stage started from, imported as a run
    STAGE/stage.json         what went in, what came out and those versions; there when finished
    STAGE/begun.json         what went in; there as soon as the stage has begun
    STAGE/drawn.json         which samples a mix draws from its sources
    STAGE/before.json        how the held-out samples were answered before
    STAGE/checkpoints/       for resuming an interrupted stage
    STAGE/metrics.jsonl      the terms, a line for each log step
    STAGE/tensorboard/       the same for TensorBoard
    STAGE/answers.png        held-out images and answers
    STAGE/model/             parts.json, and the parts as safetensors; sealed by its manifest.json
    STAGE/losses/            what losses learned, as safetensors; sealed likewise

Nothing depends on the folder's own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl.core.errors import RunError
from remgcl.core.files.whole import as_json, locked, write, writing
from remgcl.core.recipe.recipe import LOCK, SOURCES
from remgcl.core.runs.changes import changed_inputs
from remgcl.core.runs.stage import ABOUT, StageFolder

TRIES = 20
"""How often to try to lock a run folder: who asks whether it is busy holds the lock for a moment."""


@frozen
class RunFolder:
    """The folder of a run.

    Attributes:
        path: Where it is; made when something is written.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The file of the resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def sources(self) -> Path:
        """The folder of the published models that stages started from, a run for each."""
        return self.path / SOURCES

    def stage(self, name: str) -> StageFolder:
        """Return the folder of a stage.

        Args:
            name: The stage's key in the recipe.
        """
        return StageFolder(self.path / name)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it.

        Raises:
            RunError: One trains in it, or it cannot be written.
        """
        with ExitStack() as stack:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                held = stack.enter_context(locked(self._lock, TRIES))
            if not held:
                raise RunError(f"{self.path}: another process trains here; wait for its end, or take another folder")
            yield

    @property
    def busy(self) -> bool:
        """Whether a process trains in it, as far as this machine can see."""
        if not self._lock.exists():
            return False
        with locked(self._lock) as held:
            return not held

    @property
    def _lock(self) -> Path:
        return self.path / LOCK

    def describe(self, recipe: str, about: Mapping[str, Any]) -> None:
        """Write the resolved recipe and the versions.

        Args:
            recipe: The resolved recipe as TOML.
            about: Versions, by name.

        Raises:
            RunError: The folder cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            write(self.recipe, recipe.encode())
            write(self.path / ABOUT, as_json(about))

    def finished(self, stage: str, inputs: Mapping[str, Any]) -> bool:
        """Return whether a stage is finished with these inputs.

        Args:
            stage: The stage's key.
            inputs: The current inputs of the stage.

        Raises:
            RunError: It is finished with others; the error says which changed.
        """
        record = self.stage(stage).finished()
        if record is None:
            return False
        changed = changed_inputs(record["inputs"], inputs)
        if not changed:
            return True
        raise RunError(
            f"{self.path}: stage {stage!r} is finished with another recipe: {changed}; "
            "name another folder with --folder, or delete this one"
        )
