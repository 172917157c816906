"""Run folders that describe themselves.

A run folder holds::

    recipe.toml              the resolved recipe
    about.json               versions of the project, its plugins and libraries
    STAGE/stage.json         what went in and what came out; there when finished
    STAGE/metrics.jsonl      the terms, a line for each log step
    STAGE/answers.png        held-out images and answers
    STAGE/model/             parts.json, and the parts as safetensors
    STAGE/losses/            what losses learned, as safetensors

Nothing depends on the folder's own name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl.core.errors import RunError
from remgcl.core.files import as_json, read, write, writing


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
    def pictures(self) -> Path:
        """The picture of held-out images and answers."""
        return self.path / "answers.png"

    @property
    def model(self) -> Path:
        """The folder of the saved model."""
        return self.path / "model"

    def loss(self, name: str) -> Path:
        """Name the file of what a loss learned.

        Args:
            name: The loss's key in the recipe.
        """
        return self.path / "losses" / f"{name}.safetensors"

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

    def begin(self) -> None:
        """Make the folder, and clear what an interrupted attempt left there.

        Raises:
            RunError: The folder cannot be written.
        """
        with writing(self.path):
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)

    def finish(self, inputs: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        """Mark the stage as finished.

        Args:
            inputs: What the stage was made of.
            results: What came out.
        """
        write(self.path / "stage.json", as_json({"inputs": inputs, "results": results}))


@frozen
class RunFolder:
    """The folder of a run.

    Attributes:
        path: Where it is; made when something is written.
    """

    path: Path

    def stage(self, name: str) -> StageFolder:
        """Give the folder of a stage.

        Args:
            name: The stage's key in the recipe.
        """
        return StageFolder(self.path / name)

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
            write(self.path / "recipe.toml", recipe.encode())
            write(self.path / "about.json", as_json(about))

    def finished(self, stage: str, inputs: Mapping[str, Any]) -> bool:
        """Tell whether a stage is finished with these inputs.

        Args:
            stage: The stage's key.
            inputs: What the stage would be made of now.

        Raises:
            RunError: It is finished with others; the error says which changed.
        """
        record = self.stage(stage).finished()
        if record is None:
            return False
        old, new = dict(_flat(record["inputs"])), dict(_flat(json.loads(as_json(inputs))))
        changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if not changed:
            return True
        told = "; ".join(f"{key} was {old.get(key)!r} and is {new.get(key)!r}" for key in changed[:5])
        raise RunError(
            f"{self.path}: stage {stage!r} is finished with another recipe: {told}; "
            "name another folder with --folder, or delete this one"
        )


def _flat(table: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - nested JSON
    """Give each value with its dotted key."""
    if not isinstance(table, dict):
        yield ".".join(at), table
        return
    for name, value in table.items():
        yield from _flat(value, (*at, name))
