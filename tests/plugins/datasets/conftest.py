"""Pictures and records to read."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from remgcl.plugins.datasets import LlavaJson

Record = dict[str, Any]


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


@pytest.fixture(scope="session")
def record() -> Callable[..., Record]:
    """A function that makes a record of human and gpt in turn; other keys as they are given."""

    def make(*said: str, **keys: Any) -> Record:  # noqa: ANN401 - what JSON can hold
        speakers = ("human", "gpt")
        return keys | {"conversations": [{"from": speakers[i % 2], "value": text} for i, text in enumerate(said)]}

    return make


@pytest.fixture
def dataset(tmp_path: Path, folder: Path) -> Callable[..., LlavaJson]:
    """A function that writes records, or anything else, to a file and gives the dataset of it."""

    def write(held: object, **settings: Any) -> LlavaJson:  # noqa: ANN401 - fields of the dataset
        path = tmp_path / "records.json"
        path.write_text(json.dumps(held))
        return LlavaJson(path=str(path), images=str(folder), **settings)

    return write
