"""PaddleOCR, of which a stand-in is enough: its models would have to be downloaded."""

import importlib.metadata
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from remgcl import Engine, Region, RemgclError
from remgcl.plugins.ocr_engines import PaddleOcr

QUAD = [[0, 1], [5, 1], [5, 3], [0, 3]]


class StandIn:
    """What `paddleocr.PaddleOCR` looks like from outside (PaddleOCR 3)."""

    given: dict[str, Any]
    seen: np.ndarray[Any, Any]

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - any setting
        """Remember the settings, or refuse them."""
        if settings["lang"] == "xx":
            raise ValueError("No models are available for the language 'xx'")
        type(self).given = settings

    def predict(self, image: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        """Find one line, and one without text."""
        type(self).seen = image
        quads = np.array([QUAD, QUAD], dtype=np.int16)
        return [{"rec_polys": list(quads), "rec_texts": ["red", ""], "rec_scores": [np.float64(0.75), 0.0]}]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A stand-in of PaddleOCR; the versions of distributions can be changed."""
    versions = {"paddleocr": "3.3.0", "paddlepaddle": "3.2.0"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    module = ModuleType("paddleocr")
    module.PaddleOCR = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "paddleocr", module)
    monkeypatch.setattr("remgcl.plugins.ocr_engines.paddleocr.version", version)
    return versions


def test_the_engine_is_known_by_its_name(engine: Engine) -> None:
    assert engine.registry.find("ocr_engines", "paddleocr") is PaddleOcr


def test_lines_become_regions(installed: dict[str, str]) -> None:
    assert installed
    read = PaddleOcr().build()
    assert read(Image.new("RGB", (6, 4))) == [Region("red", ((0, 1), (5, 1), (5, 3), (0, 3)), 0.75)]


def test_the_image_is_given_as_blue_green_red_in_one_block(installed: dict[str, str]) -> None:
    assert installed
    PaddleOcr().build()(Image.new("RGB", (6, 4), (10, 20, 30)))
    assert (StandIn.seen.shape, StandIn.seen.dtype, StandIn.seen.flags.c_contiguous) == ((4, 6, 3), np.uint8, True)
    assert StandIn.seen[0, 0].tolist() == [30, 20, 10]


def test_settings_reach_the_library_which_must_not_move_the_page(installed: dict[str, str]) -> None:
    assert installed
    PaddleOcr(models="PP-OCRv4", language="ch", device="gpu:1", least_confidence=0.1, upside_down=False).build()
    assert StandIn.given == {
        "ocr_version": "PP-OCRv4",
        "lang": "ch",
        "device": "gpu:1",
        "cpu_threads": 1,
        "text_rec_score_thresh": 0.1,
        "use_textline_orientation": False,
        "use_doc_orientation_classify": False,
        "use_doc_unwarping": False,
    }


def test_its_version_names_libraries_and_models(installed: dict[str, str]) -> None:
    assert PaddleOcr().version == "paddleocr 3.3.0, paddlepaddle 3.2.0, PP-OCRv5 en"
    installed["paddlepaddle-gpu"] = "3.2.1"
    assert PaddleOcr(language="ch").version == "paddleocr 3.3.0, paddlepaddle-gpu 3.2.1, PP-OCRv5 ch"


@pytest.mark.parametrize("name", ["paddleocr", "paddlepaddle"])
def test_a_library_that_is_not_installed_is_told_with_the_extra(name: str, installed: dict[str, str]) -> None:
    del installed[name]
    with pytest.raises(
        RemgclError, match=rf'^paddleocr: needs {name}; pip install "remgcl\[paddleocr\]" installs it; '
    ):
        _ = PaddleOcr().version


def test_a_library_that_cannot_be_imported_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddleocr", None)
    with pytest.raises(RemgclError, match=r'^paddleocr: needs paddleocr; pip install "remgcl\[paddleocr\]"'):
        PaddleOcr().build()


def test_settings_that_the_library_does_not_know_are_told(installed: dict[str, str]) -> None:
    assert installed
    with pytest.raises(RemgclError, match=r"^paddleocr: cannot be built; No models are available .* 'xx'$"):
        PaddleOcr(language="xx").build()


def test_a_confidence_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'least_confidence' must be <= 1.0: 1.5"):
        PaddleOcr(least_confidence=1.5)
