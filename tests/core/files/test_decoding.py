"""Decoding: every kind of image as viewers display it, and as the published code has it."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from remgcl import DataError, ImageFolder
from remgcl.core.files.decoding import to_rgb

RAMP = np.tile(np.arange(256, dtype=np.uint16), (8, 1))


def png(depth: int, kind: int, row: bytes, width: int, transparent: bytes = b"") -> bytes:
    """Write a PNG of one row, with or without a transparent colour."""

    def chunk(name: bytes, held: bytes) -> bytes:
        return struct.pack(">I", len(held)) + name + held + struct.pack(">I", zlib.crc32(name + held))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0))
    key = chunk(b"tRNS", transparent) if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + head + key + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RAMP * 257, "PNG"),
        (RAMP * 257, "TIFF"),
        (RAMP.astype(np.int32) * 257, "TIFF"),
        (RAMP.astype(np.int32), "TIFF"),
        ((RAMP / 255).astype(np.float32), "TIFF"),
        (RAMP.astype(np.float32), "TIFF"),
        (RAMP.astype(np.float32) * 257, "TIFF"),
    ],
    ids=lambda value: getattr(value, "dtype", value),
)
def test_deep_pictures_are_scaled_to_the_same_grey_levels(
    values: np.typing.NDArray[np.generic], kind: str, tmp_path: Path
) -> None:
    Image.fromarray(values).save(tmp_path / "ramp", format=kind)
    image, _ = ImageFolder(path=tmp_path).load("ramp")
    assert image.mode == "RGB"
    assert (np.asarray(image) == RAMP[..., None]).all()


def test_a_16_bit_scan_that_counts_up_to_black_is_inverted(tmp_path: Path) -> None:
    values = (65535 - RAMP * 257).astype("<u2").tobytes()
    told = [(256, 256), (257, 8), (258, 16), (259, 1), (262, 0), (273, 122), (277, 1), (278, 8), (279, len(values))]
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in told)
    head = b"II*\0" + struct.pack("<IH", 8, len(told)) + tags + bytes(4)
    (tmp_path / "scan.tif").write_bytes(head + values)
    image, _ = ImageFolder(path=tmp_path).load("scan.tif")
    assert (np.asarray(image) == RAMP[..., None]).all()


def test_a_dark_16_bit_picture_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 200, np.uint16)).save(tmp_path / "dark.png")
    assert ImageFolder(path=tmp_path).load("dark.png")[0].getpixel((0, 0)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (
            np.array([[-5, 300]], np.int32),
            "-5 to 300, which is no range of grey levels; there is 0 to 255 or 0 to 65535",
        ),
        (np.array([[0, 70000]], np.int32), "0 to 70000, which"),
        (np.array([[0.0, np.nan]], np.float32), "nan to nan, which"),
        (np.array([[0.0, np.inf]], np.float32), "0 to inf, which"),
        (np.array([[0.0, 1.25]], np.float32), "0 to 1.25, which is no range of grey levels; there is 0 to 1, 0 to 255"),
    ],
    ids=["negative", "32 bits", "nan", "infinite", "just above 1"],
)
def test_a_picture_whose_range_is_unknown_is_refused(
    values: np.typing.NDArray[np.generic], what: str, tmp_path: Path
) -> None:
    Image.fromarray(values).save(tmp_path / "odd.tif")
    with pytest.raises(DataError, match=rf"^image 'odd.tif': its values run from {what}"):
        ImageFolder(path=tmp_path).load("odd.tif")


TRANSPARENT = {
    "LA": Image.new("LA", (2, 2), (0, 0)),
    "PA": Image.new("PA", (2, 2)),
    "La": Image.new("LA", (2, 2), (0, 0)).convert("La"),
    "RGBA": Image.new("RGBA", (2, 2), (0, 0, 0, 0)),
    "RGBa": Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert("RGBa"),
}


@pytest.mark.parametrize("mode", TRANSPARENT)
def test_transparent_pixels_of_every_mode_are_laid_on_white_or_the_colour_asked_for(mode: str) -> None:
    image = TRANSPARENT[mode]
    assert image.mode == mode
    assert to_rgb(image).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(image, (1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)


@pytest.mark.parametrize(
    "file",
    [
        png(1, 0, b"\x40", 2, struct.pack(">H", 0)),
        png(8, 0, bytes([0, 255]), 2, struct.pack(">H", 0)),
        png(16, 0, struct.pack(">HH", 0, 65535), 2, struct.pack(">H", 0)),
        png(8, 2, bytes([0, 0, 0, 255, 255, 255]), 2, struct.pack(">HHH", 0, 0, 0)),
        png(8, 4, bytes([0, 0, 255, 255]), 2),
        png(16, 4, struct.pack(">HHHH", 0, 0, 65535, 65535), 2),
        png(16, 6, struct.pack(">8H", 0, 0, 0, 0, *[65535] * 4), 2),
    ],
    ids=["1-bit", "grey", "16-bit grey", "RGB", "grey with alpha", "16-bit grey with alpha", "16-bit RGBA"],
)
def test_transparent_black_of_a_png_is_white(file: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(file)
    image, _ = ImageFolder(path=tmp_path).load("a.png")
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255)] * 2


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_palette_with_a_transparent_entry_is_laid_on_white(kind: str, tmp_path: Path) -> None:
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.paste(0, (0, 0, 2, 2))
    image.save(tmp_path / "p", format=kind, transparency=0)
    read, _ = ImageFolder(path=tmp_path).load("p")
    assert (read.getpixel((0, 0)), read.getpixel((3, 0))) == ((255, 255, 255), (10, 20, 30))


def test_half_transparent_black_is_grey_and_opaque_pixels_keep_their_colour(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 128))
    image.putpixel((1, 0), (10, 200, 30, 255))
    image.save(tmp_path / "a.png")
    read, _ = ImageFolder(path=tmp_path).load("a.png")
    assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == ((127, 127, 127), (10, 200, 30))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    """The stored picture is what each orientation makes of an upright one whose corners differ."""
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste((255, 0, 0), (0, 0, 16, 8))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpositions of Pillow that undo EXIF's
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a", format=kind, exif=exif)
    read, _ = ImageFolder(path=tmp_path).load("a")
    assert read.size == (32, 16)
    assert np.abs(np.asarray(read).astype(int) - np.asarray(upright)).mean() < 8


def test_the_published_decoding_is_pillows_conversion_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGBA", (4, 2), (9, 8, 7, 0)).save(tmp_path / "a.png", exif=exif)
    published, _ = ImageFolder(path=tmp_path, decoding="published").load("a.png")
    displayed, _ = ImageFolder(path=tmp_path).load("a.png")
    assert (published.size, published.getpixel((0, 0))) == ((4, 2), (9, 8, 7))
    assert (displayed.size, displayed.getpixel((0, 0))) == ((2, 4), (255, 255, 255))


def test_the_digest_tells_two_decodings_apart_where_they_differ_only(tmp_path: Path) -> None:
    Image.new("RGB", (4, 2)).save(tmp_path / "plain.png")
    Image.new("RGBA", (4, 2)).save(tmp_path / "clear.png")
    folders = ImageFolder(path=tmp_path), ImageFolder(path=tmp_path, decoding="published")
    plain, clear = ([folder.load(name)[1] for folder in folders] for name in ("plain.png", "clear.png"))
    assert plain[0] == plain[1]
    assert clear[0] != clear[1]


def test_a_photograph_without_notes_is_pillows_conversion_to_rgb(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    Image.fromarray(noise, mode="CMYK").save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as there:
        due = np.asarray(ImageOps.exif_transpose(there).convert("RGB"))
    assert (np.asarray(ImageFolder(path=tmp_path).load("a.jpg")[0]) == due).all()
