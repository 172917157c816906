"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

from remgcl.core.files.whole import write


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a.json", b"new")
    assert files_of(tmp_path) == {"a.json": b"new"}


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"a longer old one")
    write(tmp_path / "a.json", b"new")
    assert files_of(tmp_path) == {"a.json": b"new"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_whose_writing_is_interrupted_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.json").write_bytes(b"old")
    owner = os if step == "fsync" else Path
    monkeypatch.setattr(owner, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"


def test_what_an_interrupted_writing_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.json.part").write_bytes(b"a much longer half")
    write(tmp_path / "a.json", b"new")
    assert files_of(tmp_path) == {"a.json": b"new"}
