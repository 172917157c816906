"""The folder of one stage: its inputs, its log, its checkpoints and its results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from attrs import frozen

from remgcl.core.errors import RunError, listed
from remgcl.core.files.manifest import MANIFEST, Checkpoints, sealed_as, verify_sealed
from remgcl.core.files.whole import as_json, read, write, writing
from remgcl.core.runs.changes import changed_inputs

if TYPE_CHECKING:
    from remgcl.core.parts import Census

BEGUN = "begun.json"
"""The file of what a stage was begun with."""

ABOUT = "about.json"
"""The file of a run's versions."""


@frozen
class StageFolder:
    """The folder of one stage.

    Attributes:
        path: Where it is.
    """

    path: Path

    @property
    def metrics(self) -> Path:
        """The file of logged terms."""
        return self.path / "metrics.jsonl"

    @property
    def before(self) -> Path:
        """The file of how the held-out samples were answered before the stage."""
        return self.path / "before.json"

    @property
    def pictures(self) -> Path:
        """The picture of held-out images and answers."""
        return self.path / "answers.png"

    @property
    def model(self) -> Path:
        """The folder of the saved model."""
        return self.path / "model"

    @property
    def losses(self) -> Path:
        """The folder of what the losses learned."""
        return self.path / "losses"

    def loss(self, name: str) -> Path:
        """Name the file of what a loss learned.

        Args:
            name: The loss's key in the recipe.
        """
        return self.losses / f"{name}.safetensors"

    def finished(self) -> dict[str, Any] | None:
        """Read what went in and what came out, if the stage is finished.

        Raises:
            RunError: The record is not what this project writes.
        """
        file = self.path / "stage.json"
        record = read(file)
        if record is not None and not all(isinstance(record.get(key), dict) for key in ("inputs", "results")):
            raise RunError(f"{file}: is no record of a stage; there is no table 'inputs' or no table 'results'")
        return record

    def begun(self) -> dict[str, Any] | None:
        """Read what the stage was begun with, if it was begun.

        Raises:
            RunError: The record is not what this project writes.
        """
        file = self.path / BEGUN
        record = read(file)
        if record is not None and not (isinstance(record.get("inputs"), dict) and isinstance(record.get("run"), str)):
            raise RunError(f"{file}: is no record of a stage; there is no table 'inputs' or no text 'run'")
        return record

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of a stage that was begun."""
        return Checkpoints(self.path / "checkpoints", (self.begun() or {}).get("run", ""))

    def begin(self, inputs: Mapping[str, Any], *, restart: bool = False) -> None:
        """Create the folder, or continue in the one of an interrupted attempt.

        Args:
            inputs: The inputs of the stage.
            restart: Whether to clear what an interrupted attempt left.

        Raises:
            RunError: The folder cannot be written, is a link to a stage of
                another run, or the stage was begun with other inputs; the error
                says which changed.
        """
        if self.path.is_symlink():
            raise RunError(f"{self.path}: is a stage of another run, {str(self.path.readlink())!r}; finish it there")
        record = None if restart else self.begun()
        if record is not None:
            changed = changed_inputs(record["inputs"], inputs)
            if changed:
                raise RunError(
                    f"{self.path}: stage {self.path.name!r} was begun with another recipe: {changed}; "
                    "name another folder with --folder, or start it over with --restart"
                )
            return
        left = sorted(path.name for path in self.path.glob("*") if path.suffix != ".part")
        if left and not restart:
            raise RunError(
                f"{self.path / BEGUN}: is missing, so it is unknown which recipe wrote: "
                f"{listed(left)}; put the file back, or start the stage over with --restart"
            )
        with writing(self.path):
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)
            write(self.path / BEGUN, as_json({"run": uuid4().hex, "inputs": inputs}))

    def keep_drawn(self, train: Census, held_out: Census | None) -> None:
        """Write which samples the stage's datasets draw from their sources, if they draw any.

        Args:
            train: The census of the training data.
            held_out: The census of the held-out data, if there are any.

        Raises:
            RunError: The folder cannot be written.
        """
        censuses = {"data": train, "held_out": held_out}
        drawn = {key: census.drawn for key, census in censuses.items() if census is not None and census.drawn}
        if drawn:
            self.write(self.path / "drawn.json", drawn)

    def write(self, file: Path, record: Mapping[str, Any]) -> None:
        """Write a record, whole or not at all.

        Args:
            file: One of the folder's files.
            record: What to write, as JSON.

        Raises:
            RunError: The folder cannot be written.
        """
        with writing(self.path):
            write(file, as_json(record))

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics.

        Args:
            line: Its step and terms.

        Raises:
            RunError: The folder cannot be written.
        """
        with writing(self.path), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def rewind(self, step: int, lines: int = 0) -> str | None:
        """Forget the metrics after a step.

        Args:
            step: The last one that is kept.
            lines: How many lines were logged up to it.

        Returns:
            A warning, if lines are missing or cannot be read;
            a copy of the file as it was is then kept beside it.

        Raises:
            RunError: The folder cannot be written.
        """
        held = self.metrics.read_bytes() if self.metrics.exists() else b""
        steps = {line: _step(line) for line in held.splitlines(keepends=True) if line.endswith(b"\n")}
        kept = [line for line, at in steps.items() if at is not None and at <= step]
        broken = sum(at is None for at in steps.values())
        damaged = bool(broken) or len(kept) < lines
        with writing(self.path):
            if damaged and held:
                write(self.metrics.with_suffix(".damaged.jsonl"), held)
            if held:
                write(self.metrics, b"".join(kept))
        if not damaged:
            return None
        damage = f"{self.metrics}: {max(lines - len(kept), broken)} lines up to step {step} are missing or broken"
        return f"{damage}; the others are kept"

    def answered_before(self, measure: str) -> float | None:
        """Read what the held-out samples measured before the stage, if there were any.

        Args:
            measure: The name of what was measured.

        Raises:
            RunError: The record is not what this project writes.
        """
        record = read(self.before)
        value = (record or {}).get(measure)
        if record is None or measure not in record or not isinstance(value, int | float | None):
            what = "is missing" if record is None else f"is no record of answers; there is no number {measure!r}"
            raise RunError(f"{self.before}: {what}")
        return value

    def digest(self) -> str:
        """Return the digest of a finished stage's model, by which a stage of another run that starts from it is known.

        Raises:
            RunError: The record is not what this project writes, or names no model.
        """
        digest = (self.finished() or {}).get("model")
        if not isinstance(digest, str):
            raise RunError(f"{self.path}: its record names no model, so nothing can start from it")
        return digest

    def verify_model(self) -> None:
        """Verify that the model of a finished stage is as it was saved.

        Raises:
            RunError: It is not there, or a file has changed since.
        """
        record = self.finished() or {}
        if "model" not in record:  # a runner of a third party may keep its model elsewhere
            return
        if not self.model.is_dir():
            raise RunError(f"{self.model}: is missing; the stage is finished, and its model was saved there")
        verify_sealed(self.model)
        if sealed_as(self.model) != record["model"]:
            raise RunError(f"{self.model / MANIFEST}: is not the list of the model that the stage saved")

    def finish(self, inputs: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        """Mark the stage as finished, and keep the versions that the run was described with.

        Args:
            inputs: The inputs of the stage.
            results: What came out.
        """
        about = read(self.path.parent / ABOUT)
        record: dict[str, Any] = {"inputs": inputs, "results": results} | ({} if about is None else {"about": about})
        if self.model.is_dir():
            record["model"] = sealed_as(self.model)
        write(self.path / "stage.json", as_json(record))


def _step(line: bytes) -> int | None:
    """Read the step of a line of metrics; None if the line is broken."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return step if isinstance(step, int) else None
