"""What several tests need: golden data, an engine, and pictures made on the spot."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image

from remgcl import Engine

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach a network

settings.register_profile("patient", deadline=None)  # a busy machine is no fault
settings.register_profile("ci", deadline=None, derandomize=True)  # what lands must not depend on luck
settings.load_profile("ci" if "CI" in os.environ else "patient")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden data and images; tests that need it skip where it is absent."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("the golden data recorded from the published code are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine of all installed plugins."""
    return Engine.installed()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds `red.png` and `blue.png`, 6 x 4, and `cut.png`, whose body is cut off."""
    images = tmp_path / "images"
    images.mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (6, 4), colour).save(images / f"{colour}.png")
    Image.effect_noise((32, 32), 90).save(images / "cut.png")
    whole = (images / "cut.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    return images


@pytest.fixture
def declare(folder: Path) -> Callable[[str, int, int], None]:
    """A function that writes a PNG of any width and height, without a body."""

    def write(name: str, width: int, height: int) -> None:
        def chunk(kind: bytes, held: bytes) -> bytes:
            return struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))

        head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
        (folder / name).write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
        )

    return write
