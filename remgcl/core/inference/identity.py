"""The identity of a model, which changes only with its weights and settings; computed without loading it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from remgcl.core.engine import Engine
from remgcl.core.errors import WeightsError
from remgcl.core.files.manifest import MANIFEST
from remgcl.core.files.whole import as_json, read
from remgcl.core.inference.source import from_run, is_run

BLOCK = 4096
"""Bytes of a file that are read in one place."""

BLOCKS = 64
"""Places of a file that are read; of a smaller file, all of it."""


def identity_of(what: str | Path, *, stage: str | None = None, engine: Engine | None = None) -> str:
    """Name the weights and settings of a model: the same for a copy of its folder, another after a training.

    Of a published folder, names, sizes and parts of all files are read, not every byte; a hub id is named by the commit
    in the local cache.

    Args:
        what: What `load` takes.
        stage: The stage of a run; the last one that has a model by default.
        engine: The plugins to use; all that are installed by default.

    Raises:
        RemgclError: There is no such model.
    """
    path = Path(what)
    if path.is_dir() and is_run(path):
        return f"run {_run(path, stage, engine or Engine.installed())}"
    if path.is_dir():
        return f"folder {_folder(path)}"
    return f"hub {what} {_commit(str(what))}"


def _run(path: Path, stage: str | None, engine: Engine) -> str:
    """Name a stage by what went into it and by the digests of all files of its model."""
    source = from_run(path, engine.read, stage)
    folder = Path(source.provenance["source"]) / source.stage
    manifest = Path(source.provenance["model"]) / MANIFEST
    record = read(folder / "stage.json") or read(folder / "begun.json") or {}
    files = sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None
    return sha256(as_json({"inputs": record.get("inputs"), "files": files})).hexdigest()[:32]


def _folder(path: Path) -> str:
    digest = sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path).as_posix()} {size}\n".encode())
        with file.open("rb") as held:
            for place in range(BLOCKS):
                held.seek(size * place // BLOCKS if size > BLOCK * BLOCKS else BLOCK * place)
                digest.update(held.read(BLOCK))
    return digest.hexdigest()[:32]


def _commit(name: str) -> str:
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(name, "config.json") if name.count("/") == 1 else None
    if not isinstance(file, str):
        raise WeightsError(f"{name}: there is no such folder, and no such model in the cache of the hub")
    return Path(file).parent.name
