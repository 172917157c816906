"""Files that are files: pipes, devices and folders are refused at once, wherever a file is due."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from remgcl import DataError, Engine, ImageFolder, RecipeError, RunError, read_regular
from remgcl.core.files.whole import read
from remgcl.core.ocr.cache import OcrCache
from remgcl.core.recipe import document
from remgcl.plugins.datasets import LlavaJson

Make = Callable[[Path], None]


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


STRANGE: dict[str, tuple[Make, str]] = {
    "pipe": (os.mkfifo, "is a pipe, not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
    "folder": (lambda path: path.mkdir(), "[Ii]s a directory"),
    "socket": (_socket, "is a socket, not a file"),
}

each_strange = pytest.mark.parametrize(("make", "told"), STRANGE.values(), ids=STRANGE)


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short relative path, as a socket's must be."""
    monkeypatch.chdir(tmp_path)
    return Path("strange")


@each_strange
def test_what_is_no_file_is_not_read(near: Path, make: Make, told: str) -> None:
    make(near)
    with pytest.raises(OSError, match=told):
        read_regular(near)
    with pytest.raises(RunError, match=f"strange: cannot be read; .*{told}"):
        read(near)


@each_strange
def test_what_is_no_file_is_no_recipe_and_nothing_extends_it(near: Path, make: Make, told: str) -> None:
    make(near)
    with pytest.raises(RecipeError, match=f"^strange: cannot be read; {told}"):
        document.load(near)
    Path("over.toml").write_text('extends = "strange"\n')
    with pytest.raises(RecipeError, match=f"^over.toml: extends: 'strange' cannot be read; {told}"):
        document.load(Path("over.toml"))


@each_strange
def test_what_is_no_file_is_no_image(near: Path, make: Make, told: str) -> None:
    make(near)
    folder = ImageFolder(path=Path(), follow_links=True)
    for read_ in (folder.open, folder.load):
        with pytest.raises(DataError, match=f"^image 'strange': cannot be read; {told}"):
            read_("strange")


@each_strange
def test_what_is_no_file_holds_no_records(near: Path, make: Make, told: str) -> None:
    make(near)
    with pytest.raises(DataError, match=f"^strange: cannot be read; {told}"):
        LlavaJson(path="strange").census()


@each_strange
def test_what_is_no_file_holds_no_regions(
    near: Path, make: Make, told: str, cached: Callable[..., Path], engine: Engine
) -> None:
    del engine
    make(cached() / "strange.arrow") if told != STRANGE["socket"][1] else pytest.skip("its path would be too long")
    with pytest.raises(RunError, match=f"strange.arrow: cannot be read; {told}"):
        OcrCache.open(cached())
    del near


def test_no_more_is_read_than_was_asked_for(near: Path) -> None:
    near.write_bytes(b"12345")
    assert read_regular(near, 5) == b"12345"
    with pytest.raises(OSError, match="is larger than 4 bytes"):
        read_regular(near, 4)


def test_a_file_behind_a_link_is_a_file(near: Path) -> None:
    Image.new("RGB", (2, 2)).save("a.png")
    near.symlink_to("a.png")
    image, _ = ImageFolder(path=Path()).load("strange")
    assert image.size == (2, 2)


def test_lists_that_lie_too_deep_are_told(near: Path) -> None:
    near.write_text("[" * 200_000)
    with pytest.raises(DataError, match=r"its lists and objects lie too deep|is not JSON"):
        LlavaJson(path="strange").census()


def test_an_object_around_the_records_is_met_with_the_key_that_holds_them(near: Path) -> None:
    near.write_text('{"version": 1, "data": [{"conversations": []}]}')
    with pytest.raises(DataError, match="it is dict; its key 'data' holds one: set key = 'data'"):
        LlavaJson(path="strange").census()
