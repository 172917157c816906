"""What several tests need: golden data, an engine, and pictures made on the spot."""

import atexit
import importlib
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from PIL import Image

from remgcl import Engine, OcrEngine, Sample

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach a network
os.environ["REMGCL_CACHE"] = tempfile.mkdtemp(prefix="remgcl-tests-")  # nor the user's cache
atexit.register(shutil.rmtree, os.environ["REMGCL_CACHE"], ignore_errors=True)

settings.register_profile("patient", deadline=None)  # a busy machine is no fault
settings.register_profile("ci", deadline=None, derandomize=True)  # what lands must not depend on luck
settings.load_profile("ci" if "CI" in os.environ else "patient")

SHARED = Path(__file__).parents[2] / "shared"
RECORDED = Path(__file__).parent / "data" / "golden"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of all golden data and images; tests that need more than is shipped skip where it is absent."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("Llama's tokenizer and the images of the recordings are not ours to ship, nor beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def recorded() -> Path:
    """What was recorded from the published code and is ours to ship; its README says what there is."""
    return RECORDED


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Have signals do what they do, whatever the tests inherited: a shell's background job ignores Ctrl-C."""
    with usual(signal.SIGINT, signal.SIGTERM):
        yield


@pytest.fixture
def terminal() -> Iterator[None]:
    """Have the end of the terminal end programs, though nohup may have started the tests."""
    with usual(signal.SIGHUP):
        yield


@contextmanager
def usual(*kinds: signal.Signals) -> Iterator[None]:
    """Give signals the handlers that Python gives them in a program that inherits none."""
    default = {signal.SIGINT: signal.default_int_handler}
    before = {kind: signal.signal(kind, default.get(kind, signal.SIG_DFL)) for kind in kinds}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


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


@pytest.fixture
def install_plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution with one module and one entry point, as pip would leave it; give its file."""
    folder = tmp_path_factory.mktemp("installed")
    monkeypatch.syspath_prepend(folder)

    def install(name: str, text: str, *, point: str = "", version: str = "1.2") -> Path:
        module = name.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)
        file = folder / f"{module}.py"
        file.write_text(text)
        info = folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[remgcl]\n{point or name} = {module}\n")
        return file

    return install


MADE_UP = '''
"""An OCR engine that needs no model: it reads the red of an image's first pixel."""

import importlib
import json
import os
import signal
import sys

from attrs import frozen

from remgcl import OcrEngine, Region, hookimpl


@frozen(kw_only=True)
class MadeUp(OcrEngine):
    """Read the red of the first pixel.

    Attributes:
        unit: What stands behind the number.
        fails: The red at which it raises.
        dies: The red at which its process is killed.
    """

    unit: str = "red"
    fails: int = -1
    dies: int = -1

    @property
    def version(self):
        return "made-up 1"

    def build(self):
        return self.read

    def read(self, image):
        assert "torch" not in sys.modules
        red = image.getpixel((0, 0))[0]
        if red == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if red == self.fails:
            raise ValueError("no red at all")
        width, height = image.size
        return [Region(f"{red} {self.unit}", ((0, 0), (width, 0), (width, height), (0, height)), 0.5)]


@hookimpl
def remgcl_register_ocr_engines():
    return {"made-up": MadeUp}
'''


@pytest.fixture
def made_up(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., OcrEngine]:
    """The class of an OCR engine, installed as a plugin, that other processes can import too."""
    folder = tmp_path_factory.mktemp("made-up")
    (folder / "remgcl_made_up.py").write_text(MADE_UP)
    info = folder / "remgcl_made_up-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: remgcl-made-up\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[remgcl]\nmade-up = remgcl_made_up\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "remgcl_made_up", raising=False)
    made: type[OcrEngine] = importlib.import_module("remgcl_made_up").MadeUp
    return made


@pytest.fixture
def cached(tmp_path: Path) -> Callable[..., Path]:
    """Write samples with their regions to an OCR cache, and give its folder."""
    from remgcl.core.ocr.cache import Origin, content_of
    from remgcl.core.ocr.writer import OcrWriter, Row, packed

    def write(*samples: Sample, name: str = "cache", version: str = "made-up 1") -> Path:
        writer = OcrWriter(tmp_path / name, Origin(engine="made-up", version=version))
        for sample in samples:
            assert sample.image is not None
            row = Row(content=content_of(sample), name=sample.id, size=sample.image.size, regions=sample.regions)
            writer.add(packed(row))
        writer.flush()
        return tmp_path / name

    return write


def evaluation_of(
    folder: Path,
    scores: Sequence[Any],
    *,
    model: str = "",
    headline: float | None = None,
    **changed: Any,  # noqa: ANN401 - any key
) -> Path:
    """Write the folder of an evaluation as `remgcl eval` does, a question for each score.

    Args:
        folder: Where.
        scores: The score of each question.
        model: What the model is called; the folder's name by default.
        headline: The score in sum; the mean by default.
        **changed: Keys of the protocol, and `fields` of each line.
    """
    fields: Sequence[Mapping[str, Any]] = changed.pop("fields", [{}] * len(scores))
    lines = [
        {
            "id": f"q{place}",
            "prompt": f"What is {place}?",
            "prediction": str(place) if score == 1 else "no idea",
            "question": f"What is {place}?",
            "type": "scene" if place % 2 else "document",
            "image": f"{place // 2}.png",
            "answers": [str(place)],
            "score": score,
            "unparsed": False,
            **more,
        }
        for place, (score, more) in enumerate(zip(scores, fields, strict=True))
    ]
    protocol = {
        "name": "plain",
        "benchmark": "signs",
        "questions": {"count": len(scores), "sha256": "0"},
        "split": "test",
        "template": "{question}",
        "metric": {"use": "exact", "settings": {}},
    } | changed
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    mean = sum(scores) / len(scores) if headline is None else headline
    told = {"name": model or folder.name, "identity": {"weights": model or folder.name}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.jsonl").write_bytes(content)
    (folder / "begun.json").write_text(json.dumps({"protocol": protocol, "model": told}))
    report = {
        "benchmark": protocol["benchmark"],
        "protocol": protocol,
        "model": told,
        "summary": {"score": mean},
        "count": len(scores),
        "predictions": {"file": "predictions.jsonl", "sha256": sha256(content).hexdigest()},
    }
    (folder / "scores.json").write_text(json.dumps(report))
    return folder


@pytest.fixture(scope="session")
def evaluation() -> Callable[..., Path]:
    """A function that writes the folder of an evaluation, a question for each score."""
    return evaluation_of
