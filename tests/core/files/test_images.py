"""Image files: every format and mode that is read, and every file that is refused."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from remgcl import LARGEST_IMAGE, DataError
from remgcl.core.files.images import FORMATS, ImageFolder, pixel_digest

EXACT = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}


@pytest.fixture
def opened(folder: Path) -> ImageFolder:
    """The folder, opened as a dataset opens it."""
    return ImageFolder(path=folder)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_allowed_format_is_read(kind: str, opened: ImageFolder) -> None:
    there = np.full((4, 6, 3), 200, dtype=np.uint8)
    there[:2, :3] = 20
    Image.fromarray(there).save(opened.path / "picture", format=kind, **EXACT.get(kind, {}))
    read, _ = opened.load("picture")
    assert (read.mode, read.size) == ("RGB", (6, 4))
    np.testing.assert_allclose(np.asarray(read), there, atol=8)


@pytest.mark.parametrize(
    ("mode", "kind"), [("1", "PNG"), ("L", "PNG"), ("P", "GIF"), ("LA", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG")]
)
def test_an_image_of_any_mode_becomes_rgb(mode: str, kind: str, opened: ImageFolder) -> None:
    Image.new("RGB", (5, 5), "white").convert(mode).save(opened.path / "picture", format=kind)
    read, _ = opened.load("picture")
    assert (read.mode, read.getpixel((2, 2))) == ("RGB", (255, 255, 255))


def test_the_name_does_not_tell_the_format(opened: ImageFolder) -> None:
    (opened.path / "red.jpg").write_bytes((opened.path / "red.png").read_bytes())
    assert opened.load("red.jpg")[0].getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "PCX", "TGA", "SGI"])
def test_other_formats_are_refused_whatever_their_names(kind: str, opened: ImageFolder) -> None:
    Image.new("RGB", (16, 16)).save(opened.path / "picture.png", format=kind)
    with pytest.raises(DataError, match=r"^image 'picture.png': cannot be read; cannot identify image file$"):
        opened.open("picture.png")


def test_a_picture_in_a_folder_below_is_found(opened: ImageFolder) -> None:
    (opened.path / "below").mkdir()
    (opened.path / "red.png").rename(opened.path / "below" / "red.png")
    assert opened.load("below/red.png")[0].size == (6, 4)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("none.png", "there is no such file in '{folder}'"),
        ("sub", "cannot be read; is a directory"),
        ("empty.png", "cannot be read; cannot identify image file"),
        ("text.png", "cannot be read; cannot identify image file"),
        ("head.png", "cannot be read; cannot identify image file"),
        ("a\0b.png", "cannot be read; embedded null byte"),
        ("\ud800.png", "cannot be read; 'utf-8' codec can't encode character"),
        ("circle", "cannot be read; "),
        ("n" * 300, "cannot be read; file name too long"),
        ("{folder}/red.png", "leaves the folder '{folder}'"),
        ("../images/red.png", "leaves the folder '{folder}'"),
        ("sub/../red.png", "leaves the folder '{folder}'"),
        ("..", "leaves the folder '{folder}'"),
    ],
)
@pytest.mark.parametrize("follow_links", [False, True])
def test_what_is_no_picture_of_the_folder_is_refused(name: str, what: str, follow_links: bool, folder: Path) -> None:  # noqa: FBT001 - each case
    (folder / "sub").mkdir()
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not a picture")
    (folder / "head.png").write_bytes((folder / "red.png").read_bytes()[:12])
    (folder / "circle").symlink_to(folder / "circle")
    name = name.format(folder=folder)
    for attempt in (ImageFolder(path=folder, follow_links=follow_links).open, ImageFolder(path=folder).load):
        with pytest.raises(DataError) as told:
            attempt(name)
        assert str(told.value).startswith(f"image {name!r}: {what.format(folder=folder)}")


@pytest.mark.parametrize("link", ["file", "directory"])
def test_a_link_out_of_the_folder_is_followed_only_where_that_is_allowed(
    link: str, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "red.png").rename(outside / "red.png")
    name = "link.png" if link == "file" else "link/red.png"
    (folder / Path(name).parts[0]).symlink_to(outside / "red.png" if link == "file" else outside)
    with pytest.raises(
        DataError,
        match=rf"^image '{name}': is a link that leaves the folder '{folder}'; follow_links = true allows it$",
    ):
        ImageFolder(path=folder).open(name)
    assert ImageFolder(path=folder, follow_links=True).load(name)[0].size == (6, 4)


def test_a_link_that_stays_inside_and_a_folder_that_is_a_link_are_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "again.png").symlink_to(folder / "red.png")
    (tmp_path / "alias").symlink_to(folder)
    assert ImageFolder(path=tmp_path / "alias").load("again.png")[0].getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(16000, 1), (1, 16000), (13378, 13376)])
def test_what_counts_is_the_square_around_the_picture(
    size: tuple[int, int], opened: ImageFolder, declare: Callable[[str, int, int], None]
) -> None:
    declare("long.png", *size)
    with pytest.raises(
        DataError,
        match=rf"^image 'long.png': {size[0]} x {size[1]} is too large; a square may have {LARGEST_IMAGE} pixels$",
    ):
        opened.open("long.png")


def test_the_largest_square_is_opened_without_a_word_and_a_larger_is_refused(
    folder: Path, declare: Callable[[str, int, int], None]
) -> None:
    """Pillow's own bounds, a warning from 90 and an error from 179 million pixels, never speak first."""
    declare("large.png", 13377, 13377)
    ImageFolder(path=folder).open("large.png").close()
    declare("red.png", 6, 4)
    ImageFolder(path=folder, max_pixels=36).open("red.png").close()
    with pytest.raises(DataError, match="6 x 4 is too large; a square may have 35 pixels"):
        ImageFolder(path=folder, max_pixels=35).open("red.png")


def test_pillow_still_refuses_a_bomb(folder: Path, declare: Callable[[str, int, int], None]) -> None:
    declare("bomb.png", 40000, 40000)
    with pytest.raises(DataError, match=r"^image 'bomb.png': cannot be read; Image size \(1600000000 pixels\)"):
        ImageFolder(path=folder, max_pixels=10**12).open("bomb.png")


def test_opening_does_not_decode_and_loading_finds_a_body_cut_off(opened: ImageFolder) -> None:
    with opened.open("cut.png") as image:
        assert image.size == (32, 32)
    with pytest.raises(DataError, match=r"^image 'cut.png': is broken; image file is truncated"):
        opened.load("cut.png")


@given(
    kind=st.sampled_from(["BMP", "GIF", "JPEG", "PNG", "WEBP"]),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    length=st.one_of(st.none(), st.integers(0, 2000)),
)
def test_a_damaged_file_gives_a_picture_or_a_data_error(
    kind: str, edits: list[tuple[int, int]], length: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    held = io.BytesIO()
    Image.linear_gradient("L").resize((16, 12)).convert("RGB").save(held, format=kind)
    raw = bytearray(held.getvalue())
    for place, value in edits:
        raw[place % len(raw)] = value
    folder = tmp_path_factory.getbasetemp()
    (folder / "damaged").write_bytes(raw[:length])
    try:
        assert ImageFolder(path=folder, max_pixels=10**6).load("damaged")[0].mode == "RGB"
    except DataError as error:
        assert str(error).startswith("image 'damaged': ")  # noqa: PT017 - either is right


def test_the_digest_is_that_of_the_file(opened: ImageFolder) -> None:
    raw = (opened.path / "red.png").read_bytes()
    (opened.path / "again.jpg").write_bytes(raw)
    assert opened.load("red.png")[1] == opened.load("again.jpg")[1] == hashlib.blake2b(raw, digest_size=16).hexdigest()
    assert opened.load("red.png")[1] != opened.load("blue.png")[1]


def test_a_file_is_read_once(opened: ImageFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """So image and digest are of one content, even if the file changes meanwhile."""
    read = Path.read_bytes

    def replace(path: Path) -> bytes:
        raw = read(path)
        path.unlink()
        return raw

    monkeypatch.setattr(Path, "read_bytes", replace)
    image, content = opened.load("red.png")
    assert image.getpixel((0, 0)) == (255, 0, 0)
    assert len(content) == 32


def test_an_image_in_no_file_is_named_by_its_pixels_and_its_size() -> None:
    image = Image.new("RGB", (6, 4), "red")
    others = [Image.new("RGB", (4, 6), "red"), Image.new("RGB", (6, 4), "blue"), Image.new("RGB", (12, 2), "red")]
    assert pixel_digest(image) == pixel_digest(image.copy())
    assert len({pixel_digest(other) for other in [image, *others]}) == 4
