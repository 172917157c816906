"""Folders of files that are either whole or not there.

A folder is filled beside its place, every file is written out to the disk and
listed with its size and SHA-256 in ``manifest.json``, and only then the folder
is renamed. So a folder without a manifest, or one that the manifest does not
describe, was never finished or has been changed since.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl.core.errors import RunError
from remgcl.core.files.whole import as_json, read, reason, sync, unwritten, write

MANIFEST = "manifest.json"
"""The file that lists the others."""

STEP = "step-"
"""What the name of a checkpoint starts with; the optimizer step follows."""


def seal(part: Path, place: Path, facts: Mapping[str, Any]) -> None:
    """Write all files of a folder out, list them, and give the folder its name.

    Args:
        part: The folder as it was filled.
        place: Its name from now on; nothing may be there.
        facts: What else the manifest holds.
    """
    files = sorted(path for path in part.rglob("*") if path.is_file())
    for path in files:
        sync(path)
    listed = {str(path.relative_to(part)): _fingerprint(path) for path in files}
    write(part / MANIFEST, as_json({**facts, "files": listed}))
    for folder in {part, *(path.parent for path in files)}:
        sync(folder)
    part.rename(place)
    sync(place.parent)


@contextmanager
def sealed(place: Path) -> Iterator[Path]:
    """Fill a folder beside its place, and seal it there once all of it is written.

    Earlier content stays until then, and is replaced as a whole.

    Args:
        place: The folder to write.

    Yields:
        The empty folder to fill.
    """
    part = place.with_name(f"{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(place, ignore_errors=True)
        seal(part, place, {})
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def sealed_as(folder: Path) -> str:
    """Return the digest of the list of a sealed folder's files.

    Args:
        folder: The folder.
    """
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def verify_sealed(folder: Path) -> None:
    """Verify that a folder is as it was sealed, by the digests of all its files.

    Args:
        folder: The folder.

    Raises:
        RunError: A file is missing, was added or has changed, or the folder was
            never sealed.
    """
    wrong = flaw(folder, {})
    if wrong is not None:
        raise RunError(f"{folder}: is not what was saved there; {wrong}")


def flaw(folder: Path, facts: Mapping[str, Any]) -> str | None:
    """Say what keeps a folder from being used, or nothing if it is as it was sealed.

    Args:
        folder: A sealed folder, or what is left of one.
        facts: What its manifest must hold.
    """
    return next(_flaws(folder, facts), None)


def _flaws(folder: Path, facts: Mapping[str, Any]) -> Iterator[str]:
    try:
        manifest = read(folder / MANIFEST)
    except RunError as error:
        yield str(error)
        return
    files = (manifest or {}).get("files")
    if manifest is None or not isinstance(files, dict):
        yield f"there is no {MANIFEST}" if manifest is None else f"{MANIFEST} lists no files"
        return
    if as_json(manifest) != (folder / MANIFEST).read_bytes():
        yield f"{MANIFEST} has changed since it was written"
    for key, value in facts.items():
        if manifest.get(key) != value:
            yield f"{key} is {manifest.get(key)!r}; expected {value!r}"
    yield from _file_flaws(folder, files)


def _file_flaws(folder: Path, files: Mapping[str, Any]) -> Iterator[str]:
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    yield from (f"{name} is missing" for name in sorted(files.keys() - there))
    yield from (f"{name} is not in {MANIFEST}" for name in sorted(there - files.keys()))
    for name in sorted(files):
        try:
            if _fingerprint(folder / name) != files[name]:
                yield f"{name} has changed since it was written"
        except OSError as error:
            yield f"{name} cannot be read; {error.strerror}"


@frozen
class Checkpoints:
    """The checkpoints of a stage, named after their optimizer step.

    Attributes:
        path: The folder they are in.
        run: What their manifests must say of the run that wrote them.
    """

    path: Path
    run: str

    def steps(self) -> list[int]:
        """List the steps of all checkpoints, the newest first, be they valid or not."""
        names = [path.name.removeprefix(STEP) for path in self.path.glob(f"{STEP}*") if path.is_dir()]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def at(self, step: int) -> Path:
        """Name the folder of a checkpoint.

        Args:
            step: Its optimizer step.
        """
        return self.path / f"{STEP}{step:08d}"

    def newest(self) -> tuple[Path | None, list[str]]:
        """Find the newest valid checkpoint.

        Returns:
            Its folder, if there is one, and why each newer one was left.
        """
        left: list[str] = []
        for step in self.steps():
            wrong = flaw(self.at(step), {"run": self.run, "step": step})
            if wrong is None:
                return self.at(step), left
            left.append(f"{self.at(step)}: is left; {wrong}")
        return None, left

    @property
    def part(self) -> Path:
        """Where the next checkpoint is filled."""
        return self.path / "next.part"

    def clear_part(self) -> None:
        """Make an empty folder to fill."""
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)

    @contextmanager
    def whole_or_not(self) -> Iterator[None]:
        """Leave nothing half filled when what is done inside fails.

        Raises:
            RunError: The disk does not take it; what was there is untouched.
        """
        try:
            yield
        except unwritten() as error:
            shutil.rmtree(self.part, ignore_errors=True)
            why = reason(error)
            raise RunError(f"{self.path}: no checkpoint could be written; {why}; the last one is untouched") from error

    def commit(self, step: int, keep: int) -> None:
        """Seal what was filled, and delete the oldest beyond those that are kept.

        Args:
            step: The optimizer step it was filled at.
            keep: How many to keep.
        """
        place = self.at(step)
        if place.exists():  # one that was left as broken
            shutil.rmtree(place)
        seal(self.part, place, {"run": self.run, "step": step})
        for old in self.steps()[keep:]:
            if old < step:
                shutil.rmtree(self.at(old), ignore_errors=True)


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size": os.fstat(file.fileno()).st_size, "sha256": digest}
