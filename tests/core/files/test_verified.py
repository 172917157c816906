"""Many images verified: none again as long as its file does not change, and all when contents are read."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from remgcl import ImageFolder
from remgcl.core.files import verified
from remgcl.core.files.verified import Verdict, contents_read, verify_images

HOUR = 3600

Open = Callable[..., Verdict]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is empty."""
    monkeypatch.setenv("REMGCL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are opened, in this process."""
    names: list[str] = []
    original = ImageFolder.open

    def open_(self: ImageFolder, name: str) -> Any:  # noqa: ANN401 - as the original
        names.append(name)
        return original(self, name)

    monkeypatch.setattr(ImageFolder, "open", open_)
    return names


@pytest.fixture
def old(folder: Path) -> ImageFolder:
    """The folder of `red.png`, `blue.png` and `cut.png`, which have not changed for an hour."""
    for path in folder.iterdir():
        age(path)
    return ImageFolder(path=folder)


def age(path: Path, seconds: float = HOUR) -> None:
    """Make a file look as if it had not changed for some time."""
    os.utime(path, (time.time() - seconds,) * 2)


NAMES = ["red.png", "blue.png", "cut.png"]


def test_images_that_have_not_changed_are_opened_once(old: ImageFolder, opened: list[str]) -> None:
    assert old.verify([*NAMES, *NAMES]) == Verdict({}, {})
    assert opened == NAMES
    assert old.verify(NAMES) == Verdict({}, {})
    assert ImageFolder(path=old.path, follow_links=True).verify(NAMES) == Verdict({}, {})
    assert opened == NAMES


@pytest.mark.parametrize("change", ["time", "size"])
def test_an_image_whose_file_has_changed_is_opened_again(old: ImageFolder, opened: list[str], change: str) -> None:
    old.verify(NAMES)
    opened.clear()
    red = old.path / "red.png"
    if change == "size":
        before = red.stat()
        red.write_bytes(b"nothing")
        os.utime(red, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        age(red, 2 * HOUR)
    verdict = old.verify(NAMES)
    assert opened == ["red.png"]
    assert list(verdict.faults) == (["red.png"] if change == "size" else [])


def test_an_image_that_has_just_changed_is_not_remembered(folder: Path, opened: list[str]) -> None:
    """It may change again without getting another time."""
    for _ in range(2):
        ImageFolder(path=folder).verify(["red.png"])
    assert opened == ["red.png"] * 2


def test_what_is_at_fault_is_told_each_time(old: ImageFolder, folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"nothing")
    age(folder / "bad.png")
    (folder / "out.png").symlink_to(folder.parent / "elsewhere.png")
    for _ in range(2):
        faults = old.verify(["bad.png", "none.png", "../red.png", "out.png", "a\0b", "red.png"]).faults
        assert {name: told.partition(": ")[2] for name, told in faults.items()} == {
            "bad.png": "cannot be read; cannot identify image file",
            "none.png": f"there is no such file in '{folder}'",
            "../red.png": f"leaves the folder '{folder}'",
            "out.png": f"is a link that leaves the folder '{folder}'; follow_links = true allows it",
            "a\0b": "cannot be read; embedded null byte",
        }


def test_a_link_that_leaves_the_folder_is_not_let_in_by_what_was_remembered(
    old: ImageFolder, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (folder / "red.png").rename(tmp_path / "other" / "red.png")
    (folder / "red.png").symlink_to(tmp_path / "other" / "red.png")
    (folder / "deep").symlink_to(tmp_path / "other", target_is_directory=True)
    names = ["red.png", "deep/red.png"]
    assert not ImageFolder(path=folder, follow_links=True).verify(names).faults
    assert list(old.verify(names).faults) == names


def test_a_lower_bound_of_pixels_is_another_question(old: ImageFolder) -> None:
    assert not old.verify(["red.png"]).faults
    assert "6 x 4 is too large" in ImageFolder(path=old.path, max_pixels=35).verify(["red.png"]).faults["red.png"]


def test_contents_are_decoded_where_that_is_asked_for_and_only_once(
    old: ImageFolder, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old.verify(NAMES)
    opened.clear()
    loaded: list[str] = []
    load = ImageFolder.load
    monkeypatch.setattr(ImageFolder, "load", lambda self, name: (loaded.append(name), load(self, name))[1])
    with contents_read():
        verdict = old.verify(NAMES)
        assert (verdict.faults, list(verdict.broken)) == ({}, ["cut.png"])
        assert loaded == NAMES
        age(old.path / "red.png", 3 * HOUR)
        assert old.verify(NAMES) == verdict
    assert loaded == [*NAMES, "cut.png"]
    assert old.verify(NAMES[1:]) == Verdict({}, {})


def test_contents_that_changed_under_the_same_size_and_time_are_noticed(old: ImageFolder) -> None:
    with contents_read():
        assert not old.verify(["red.png"]).broken
        red, before = old.path / "red.png", (old.path / "red.png").stat()
        content = bytearray(red.read_bytes())
        content[-20] ^= 1  # in the pixels
        red.write_bytes(content)
        os.utime(red, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert old.verify(["red.png"]).broken.keys() == {"red.png"}


def test_an_interrupted_check_goes_on_where_it_was(
    old: ImageFolder, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "CHUNK", 1)
    original = verified._opened

    def interrupt(*given: Any) -> Any:  # noqa: ANN401 - as the original
        if given[2] == ["cut.png"]:
            raise KeyboardInterrupt
        return original(*given)

    with monkeypatch.context() as patched:
        patched.setattr(verified, "_opened", interrupt)
        with pytest.raises(KeyboardInterrupt):
            old.verify(NAMES)
    opened.clear()
    old.verify(NAMES)
    assert opened == ["cut.png"]


def test_many_images_are_verified_by_processes_with_the_same_result(
    old: ImageFolder, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "MANY", 2)
    monkeypatch.setattr(verified, "CHUNK", 1)
    monkeypatch.setattr(verified, "cores", lambda: (0, 1))
    assert list(old.verify([*NAMES, "none.png"]).faults) == ["none.png"]
    monkeypatch.setattr(verified, "MANY", 99)
    assert old.verify(NAMES) == Verdict({}, {})
    assert opened == []


def test_where_processes_are_killed_one_goes_on(
    old: ImageFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def broken(_: int) -> Iterator[Any]:
        raise BrokenProcessPool
        yield

    monkeypatch.setattr(verified, "MANY", 2)
    monkeypatch.setattr(verified, "cores", lambda: (0, 1))
    monkeypatch.setattr(verified, "processes", broken)
    assert list(old.verify([*NAMES, "none.png"]).faults) == ["none.png"]
    assert "a process that verified images was killed" in caplog.text


def test_a_cache_that_takes_nothing_costs_time_alone(
    old: ImageFolder, opened: list[str], cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("no folder")
    for _ in range(2):
        assert old.verify(NAMES) == Verdict({}, {})
    assert opened == NAMES * 2
    assert "images will be opened again" in caplog.text


def test_a_damaged_cache_costs_time_alone(old: ImageFolder, opened: list[str], cache: Path) -> None:
    old.verify(NAMES)
    (file,) = cache.rglob("*.keys")
    file.write_bytes(file.read_bytes()[:-3])
    old.verify(NAMES)
    assert opened == [*NAMES, "cut.png"]


def test_many_files_of_a_cache_are_joined(old: ImageFolder, opened: list[str], cache: Path) -> None:
    for number in range(verified.FILES + 2):
        Image.new("RGB", (2, 2)).save(old.path / f"{number}.png")
        age(old.path / f"{number}.png")
        verify_images(old, [f"{number}.png"])
    old.verify(["0.png"])
    assert len(list(cache.rglob("*.keys"))) < verified.FILES
    opened.clear()
    old.verify([f"{number}.png" for number in range(verified.FILES + 2)])
    assert opened == []


@pytest.mark.parametrize(("xdg", "told"), [("/tmp/x", "/tmp/x/remgcl"), ("", "/home/me/.cache/remgcl")])  # noqa: S108 - named, not made
def test_the_cache_is_where_caches_of_the_user_are(monkeypatch: pytest.MonkeyPatch, xdg: str, told: str) -> None:
    monkeypatch.delenv("REMGCL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/me")
    assert str(verified._cache()) == told
