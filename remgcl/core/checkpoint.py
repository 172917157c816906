"""Run folders that describe themselves, and models saved part by part.

A run folder holds::

    recipe.toml              the resolved recipe
    about.json               versions of the project, its plugins and libraries
    STAGE/stage.json         what went in and what came out; there when finished
    STAGE/metrics.jsonl      the terms, a line for each log step
    STAGE/answers.png        held-out images and answers
    STAGE/model/             parts.json, and the parts as safetensors

Files are written beside their place and then renamed, so none is ever half.
Nothing depends on the folder's own name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.errors import RunError
from remgcl.core.recipe import PARTS

if TYPE_CHECKING:
    from torch import nn

PARTS_FILE = "parts.json"


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

    def finished(self) -> dict[str, Any] | None:
        """Read what went in and what came out, if the stage is finished.

        Raises:
            RunError: The record is not what this project writes.
        """
        file = self.path / "stage.json"
        record = _read(file)
        if record is not None and not all(isinstance(record.get(key), dict) for key in ("inputs", "results")):
            raise RunError(f"{file}: is no record of a stage; there is no table 'inputs' or no table 'results'")
        return record

    def begin(self) -> None:
        """Make the folder, and clear what an interrupted attempt left there.

        Raises:
            RunError: The folder cannot be written.
        """
        with _writing(self.path):
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)

    def finish(self, inputs: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        """Mark the stage as finished.

        Args:
            inputs: What the stage was made of.
            results: What came out.
        """
        write(self.path / "stage.json", _json({"inputs": inputs, "results": results}))


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
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            write(self.path / "recipe.toml", recipe.encode())
            write(self.path / "about.json", _json(about))

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
        old, new = dict(_flat(record["inputs"])), dict(_flat(json.loads(_json(inputs))))
        changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        if not changed:
            return True
        told = "; ".join(f"{key} was {old.get(key)!r} and is {new.get(key)!r}" for key in changed[:5])
        raise RunError(
            f"{self.path}: stage {stage!r} is finished with another recipe: {told}; "
            "name another folder with --folder, or delete this one"
        )


def save_parts(modules: Mapping[str, nn.Module], tables: Mapping[str, Any], folder: Path) -> None:
    """Save a model part by part, all or nothing.

    Args:
        modules: Parts to save, by name.
        tables: The recipe's tables of all parts; those that are not saved are
            built from them again.
        folder: Where to; replaced if it is there.
    """
    from safetensors.torch import save_model

    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    files = {name: f"{name}.safetensors" for name in modules}
    for name, module in modules.items():
        save_model(module, str(beside / files[name]))
    parts = {name: {"recipe": table, "file": files.get(name)} for name, table in tables.items()}
    write(beside / PARTS_FILE, _json(parts))
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def saved_parts(folder: Path) -> dict[str, Path]:
    """Name the parts that a folder holds, and their files.

    Args:
        folder: A saved model.

    Raises:
        RunError: It is none, or another software's.
    """
    parts = _read(folder / PARTS_FILE)
    if parts is None:
        raise RunError(f"{folder}: holds no saved model; there is no {PARTS_FILE}")
    saved: dict[str, Path] = {}
    for name, part in parts.items():
        file = part.get("file", "") if isinstance(part, dict) else ""
        if name not in PARTS or file not in (None, f"{name}.safetensors"):
            raise RunError(f"{folder / PARTS_FILE}: {name}: is no saved part of a model")
        if file is not None:
            saved[name] = folder / file
    return saved


def load_part(module: nn.Module, file: Path) -> None:
    """Load a part's tensors; each must be there and none may be left over.

    Args:
        module: The built part.
        file: Its file, as `saved_parts` gives it.

    Raises:
        RunError: The file is missing or broken, or holds another part.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    try:
        load_model(module, str(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(f"{file}: cannot be loaded; {shorten(str(error), 300, placeholder=' ...')}") from error


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Args:
        path: Where to.
        content: What.
    """
    beside = path.with_name(f"{path.name}.part")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system raises on a folder that cannot be written into a clear error."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written; {(error.strerror or str(error)).lower()}") from error


def _read(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read; {error}") from None
    if not isinstance(held, dict):
        raise RunError(f"{path}: is not a JSON object")
    return held


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, default=str) + "\n").encode()


def _flat(table: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - nested JSON
    """Give each value with its dotted key."""
    below: Iterable[tuple[str, Any]] = table.items() if isinstance(table, dict) else ()
    if not isinstance(table, dict):
        yield ".".join(at), table
    for name, value in below:
        yield from _flat(value, (*at, name))
