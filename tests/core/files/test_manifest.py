"""Folders that are whole or not there: what a checkpoint may suffer, and which one is taken."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from remgcl import RunError
from remgcl.core.files import manifest
from remgcl.core.files.manifest import MANIFEST, Checkpoints, flaw, seal

FACTS = {"run": "mine", "step": 4}
FILES = {"a.json": b"{}", "deep/b.safetensors": bytes(range(256)) * 40, "empty": b""}

Damage = Callable[[Path], object]


def fill(folder: Path) -> None:
    """Write the files of a checkpoint."""
    for name, content in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A sealed folder."""
    fill(tmp_path / "part")
    seal(tmp_path / "part", tmp_path / "whole", FACTS)
    return tmp_path / "whole"


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Checkpoints of three steps."""
    made = Checkpoints(tmp_path / "checkpoints", "mine")
    for step in (2, 4, 6):
        save(made, step)
    return made


def save(checkpoints: Checkpoints, step: int, keep: int = 9) -> None:
    """Write a checkpoint as a runner does."""
    with checkpoints.whole_or_not():
        checkpoints.clear_part()
        fill(checkpoints.part)
        (checkpoints.part / "step").write_text(str(step))
        checkpoints.commit(step, keep)


def test_a_sealed_folder_has_no_flaw_and_nothing_is_left_beside_it(sealed: Path) -> None:
    assert flaw(sealed, FACTS) is None
    assert [path.name for path in sealed.parent.iterdir()] == ["whole"]
    assert files_of(sealed).keys() == {*FILES, MANIFEST}
    assert json.loads((sealed / MANIFEST).read_text())["files"].keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_removed_is_told(sealed: Path, name: str) -> None:
    (sealed / name).unlink()
    assert flaw(sealed, FACTS) == f"{name} is missing"


@pytest.mark.parametrize("name", [name for name, content in FILES.items() if content])
def test_every_file_that_is_cut_is_told(sealed: Path, name: str) -> None:
    (sealed / name).write_bytes(FILES[name][:-1])
    assert flaw(sealed, FACTS) == f"{name} has changed since it was written"


@pytest.mark.parametrize("name", [name for name, content in FILES.items() if content])
def test_every_file_with_one_flipped_bit_is_told(sealed: Path, name: str) -> None:
    content = bytearray(FILES[name])
    content[len(content) // 2] ^= 1
    (sealed / name).write_bytes(content)
    assert flaw(sealed, FACTS) == f"{name} has changed since it was written"


@pytest.mark.parametrize("name", ["more", "deep/more", "empty.part"])
def test_every_file_that_is_added_is_told(sealed: Path, name: str) -> None:
    (sealed / name).write_bytes(b"")
    assert flaw(sealed, FACTS) == f"{name} is not in {MANIFEST}"


def test_a_file_that_cannot_be_read_is_told(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(manifest, "_fingerprint", fail)
    assert flaw(sealed, FACTS) == "a.json cannot be read; Input/output error"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"run": "other", "step": 4}, "run is 'mine'; expected 'other'"),
        ({"run": "mine", "step": 6}, "step is 4; expected 6"),
        ({"ranks": 2}, "ranks is None; expected 2"),
    ],
)
def test_a_folder_of_something_else_is_told(sealed: Path, facts: dict[str, object], told: str) -> None:
    assert flaw(sealed, facts) == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, f"there is no {MANIFEST}"),
        (b"{}", f"{MANIFEST} lists no files"),
        (b'{"files": 3}', f"{MANIFEST} lists no files"),
        (b'{"files": {', "cannot be read; Expecting property name"),
        (b"\x00", "cannot be read; Expecting value"),
    ],
)
def test_a_broken_manifest_is_told(sealed: Path, content: bytes | None, told: str) -> None:
    (sealed / MANIFEST).unlink()
    if content is not None:
        (sealed / MANIFEST).write_bytes(content)
    assert told in (flaw(sealed, FACTS) or "")


def test_every_flipped_byte_of_a_manifest_is_told_or_harmless(sealed: Path) -> None:
    """A flipped byte in white space says the same; any other is found."""
    whole = (sealed / MANIFEST).read_bytes()
    held = json.loads(whole)
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1
        (sealed / MANIFEST).write_bytes(broken)
        assert flaw(sealed, FACTS) is not None or json.loads(bytes(broken)) == held


def test_every_file_and_folder_is_on_the_disk_before_the_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(manifest, "sync", lambda path: done.append(str(path.relative_to(tmp_path))))
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, to: (done.append("rename"), rename(path, to))[1])
    fill(tmp_path / "part")
    seal(tmp_path / "part", tmp_path / "whole", FACTS)
    named = done.index("rename")
    assert set(done[:named]) == {*(f"part/{name}" for name in FILES), "part", "part/deep"}
    assert done[named + 1 :] == ["."]


def test_no_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", "mine").newest() == (None, [])
    assert not (tmp_path / "none").exists()


def test_the_newest_checkpoint_is_taken(checkpoints: Checkpoints) -> None:
    assert checkpoints.steps() == [6, 4, 2]
    assert checkpoints.newest() == (checkpoints.at(6), [])
    assert checkpoints.at(6).name == "step-00000006"


def test_steps_are_sorted_as_numbers(checkpoints: Checkpoints) -> None:
    save(checkpoints, 123_456_789)
    save(checkpoints, 99_999_999)
    assert checkpoints.steps() == [123_456_789, 99_999_999, 6, 4, 2]


def test_what_is_no_checkpoint_is_passed_over(checkpoints: Checkpoints) -> None:
    (checkpoints.path / "step-00000009").write_text("a file")
    (checkpoints.path / "step-last").mkdir()
    (checkpoints.path / "next.part").mkdir()
    assert checkpoints.newest() == (checkpoints.at(6), [])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "a.json").unlink(), "a.json is missing"),
        (lambda folder: (folder / "a.json").write_bytes(b"[]"), "a.json has changed since it was written"),
        (lambda folder: (folder / "more").touch(), "more is not in manifest.json"),
        (lambda folder: (folder / MANIFEST).unlink(), "there is no manifest.json"),
        (lambda folder: shutil.rmtree(folder / "deep"), "deep/b.safetensors is missing"),
    ],
)
def test_the_newest_valid_one_is_taken_and_it_is_said_why_newer_ones_were_left(
    checkpoints: Checkpoints, damage: Damage, told: str
) -> None:
    damage(checkpoints.at(6))
    (checkpoints.at(4) / "empty").write_bytes(b"more")
    assert checkpoints.newest() == (
        checkpoints.at(2),
        [
            f"{checkpoints.at(6)}: is left; {told}",
            f"{checkpoints.at(4)}: is left; empty has changed since it was written",
        ],
    )


def test_checkpoints_of_another_run_are_left(checkpoints: Checkpoints) -> None:
    taken, left = Checkpoints(checkpoints.path, "other").newest()
    assert taken is None
    assert left[0] == f"{checkpoints.at(6)}: is left; run is 'mine'; expected 'other'"
    assert len(left) == 3


def test_a_checkpoint_that_was_renamed_is_left(checkpoints: Checkpoints) -> None:
    checkpoints.at(6).rename(checkpoints.at(8))
    assert checkpoints.newest() == (checkpoints.at(4), [f"{checkpoints.at(8)}: is left; step is 6; expected 8"])


def test_the_newest_ones_are_kept(checkpoints: Checkpoints) -> None:
    save(checkpoints, 8, keep=2)
    assert checkpoints.steps() == [8, 6]
    save(checkpoints, 10, keep=1)
    assert checkpoints.steps() == [10]


def test_what_is_written_after_a_broken_one_is_never_deleted_for_it(checkpoints: Checkpoints) -> None:
    (checkpoints.at(6) / "a.json").unlink()
    save(checkpoints, 5, keep=1)
    assert checkpoints.newest()[0] == checkpoints.at(5)


def test_a_broken_checkpoint_is_replaced_by_the_one_of_its_step(checkpoints: Checkpoints) -> None:
    (checkpoints.at(6) / "a.json").unlink()
    save(checkpoints, 6)
    assert checkpoints.newest() == (checkpoints.at(6), [])


def test_what_a_killed_process_left_is_not_mixed_into_the_next_checkpoint(checkpoints: Checkpoints) -> None:
    fill(checkpoints.part)
    (checkpoints.part / "stale").touch()
    save(checkpoints, 8)
    assert "stale" not in files_of(checkpoints.at(8))


def _fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Path, "mkdir"),
        (Path, "write_bytes"),
        (Path, "rename"),
        (manifest, "write"),
        (manifest, "sync"),
        (manifest, "_fingerprint"),
        (os, "fsync"),
    ],
)
@pytest.mark.parametrize("keep", [1, 9])
def test_a_full_disk_leaves_the_last_checkpoint_untouched(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, keep: int
) -> None:
    before = files_of(checkpoints.path)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, _fail)
        with pytest.raises(RunError) as raised:
            save(checkpoints, 8, keep)
    assert str(raised.value) == (
        f"{checkpoints.path}: no checkpoint could be written; no space left on device; the last one is untouched"
    )
    assert files_of(checkpoints.path) == before
    assert checkpoints.newest() == (checkpoints.at(6), [])
    assert not checkpoints.part.exists()


class Killed(BaseException):
    """Ends a process at once: nothing that it would still do is done."""


@pytest.mark.parametrize(
    ("owner", "step"), [(Path, "write_text"), (manifest, "write"), (manifest, "sync"), (Path, "rename")]
)
def test_a_kill_before_the_name_is_given_leaves_nothing_that_is_taken(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise Killed

    before = {name: file for name, file in files_of(checkpoints.path).items() if "next.part" not in name}
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, kill)
        with pytest.raises(Killed):
            save(checkpoints, 8)
    assert {name: file for name, file in files_of(checkpoints.path).items() if "next.part" not in name} == before
    assert checkpoints.newest() == (checkpoints.at(6), [])
    save(checkpoints, 8)
    assert checkpoints.newest() == (checkpoints.at(8), [])


KILLED = """
import os, signal, sys
from pathlib import Path
from remgcl.core.files.manifest import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), "mine")
checkpoints.clear_part()
(checkpoints.part / "a.json").write_text("{}")
Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
checkpoints.commit(8, 1)
"""


def test_a_process_that_is_killed_between_filling_and_renaming_loses_nothing(checkpoints: Checkpoints) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, checkpoints.path], check=False)  # noqa: S603 - our own program
    assert ended.returncode == -signal.SIGKILL
    assert (checkpoints.part / MANIFEST).exists()
    assert checkpoints.newest() == (checkpoints.at(6), [])


def test_a_file_of_tensors_that_a_full_disk_does_not_take_is_told_too(checkpoints: Checkpoints) -> None:
    """The library that writes it raises an error of its own."""
    before = files_of(checkpoints.path)

    def save_beyond() -> None:
        with checkpoints.whole_or_not():
            checkpoints.clear_part()
            save_file({}, checkpoints.part / "not there" / "a.safetensors")

    with pytest.raises(RunError, match=r"no checkpoint could be written; .*no such file.*; the last one is untouched"):
        save_beyond()
    assert files_of(checkpoints.path) == before
