"""Published models that stages start from, imported once into the run that they belong to.

The import is the run's own copy: a run resumes from it, and can be used when the source is gone. A source whose files
have changed since is refused.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remgcl.core.errors import RunError, listed
from remgcl.core.exchange.importing import understand, write_run
from remgcl.core.exchange.source import PATTERNS, local
from remgcl.core.exchange.starting import understood
from remgcl.core.files.whole import as_json, read, write, writing
from remgcl.core.planning.identity import moved
from remgcl.core.recipe.document import Document
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.recipe.structure import Structure
from remgcl.core.registry.registry import Registry
from remgcl.core.runs.folder import RunFolder

if TYPE_CHECKING:
    from rich.console import Console

FILES = "source.json"
"""The file that lists the files of a source as they were when it was imported."""


def kept(  # noqa: PLR0913 - a run and what it is made of
    recipe: Recipe, table: dict[str, Any], folder: RunFolder, registry: Registry, console: Console, *, restart: bool
) -> Recipe:
    """Import the published models that stages start from into the run, unless they are there.

    Args:
        recipe: The recipe.
        table: The same as tables.
        folder: The run's folder.
        registry: The parts there are.
        console: Where to report an import.
        restart: Whether a source that has changed is imported anew for a stage that is not finished.

    Returns:
        The recipe, with the run's own copies in place of the sources.

    Raises:
        RunError: A source has changed since it was imported, or the folder cannot be written.
        WeightsError: A source cannot be read.
    """
    from rich.markup import escape

    own_copies = False
    for name, stage in recipe.stages.items():
        described = understood(Path(stage.source)) if stage.source else None
        if described is None:
            continue
        assert stage.source is not None  # noqa: S101 - it was described
        own, (source, wanted) = RunFolder(folder.sources / name), described
        files = _files(source, wanted.base, wanted.tower)
        changed = _changed(own.path, files)
        if changed and not (restart and folder.stage(name).finished() is None):
            raise RunError(
                f"{source}: has changed since stage {name!r} was begun from it: {listed(changed[:5])}; "
                "name another folder with --folder, or begin the stage anew with --restart"
            )
        if changed is None or changed:
            console.print(f"[bold]{name}[/]: imports {escape(source)} to {escape(str(own.path))}")
            shutil.rmtree(own.path, ignore_errors=True)
            write_run(understand(source, registry, wanted), own, wanted)
            with writing(own.path):
                write(own.path / FILES, as_json({"source": source, "files": _digests(files)}))
        own_copies = True
        table = moved(table, stage.source, str(own.path))
    if not own_copies:
        return recipe
    return Structure(registry).read(Document(str(folder.recipe), table), Recipe)


def _files(*sources: str | None) -> dict[str, Path]:
    """List the files of sources that lie on this machine, by names that do not depend on where."""
    files = {}
    for place, source in enumerate(sources):
        path = None if source is None else local(source) if place == 0 else Path(source)
        if path is not None and path.is_file():
            files[path.name] = path
        elif path is not None and path.is_dir():
            prefix = ("", "base/", "tower/")[place]
            files |= {prefix + file.name: file for pattern in PATTERNS for file in sorted(path.glob(pattern))}
    return files


def _changed(own: Path, files: Mapping[str, Path]) -> list[str] | None:
    """Name the files that are not as they were; None where nothing was imported yet."""
    before: Mapping[str, Any] | None = (read(own / FILES) or {}).get("files")
    if before is None:
        return None
    alike = {name for name, file in files.items() if name in before and _alike(file, before[name])}
    return sorted((before.keys() | files.keys()) - alike)


def _alike(file: Path, before: Mapping[str, Any]) -> bool:
    """Compare a file by size and time of change, and by its content only where the time is another."""
    held = file.stat()
    if held.st_size != before["size"]:
        return False
    return bool(held.st_mtime_ns == before["changed"] or _sha256(file) == before["sha256"])


def _digests(files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    stats = {name: (file, file.stat()) for name, file in files.items()}
    return {
        name: {"size": held.st_size, "changed": held.st_mtime_ns, "sha256": _sha256(file)}
        for name, (file, held) in stats.items()
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
