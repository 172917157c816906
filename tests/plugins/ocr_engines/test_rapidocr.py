"""RapidOCR: real models on drawn texts and on real pictures."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from PIL import Image, ImageDraw, ImageFont

from remgcl import Engine, OcrEngine, Region
from remgcl.plugins.ocr_engines import RapidOcr
from remgcl.plugins.ocr_engines.rapidocr import _widened

Read = Callable[[Image.Image], list[Region]]
PICTURES = ("kfc.jpg", "radar_chart.jpg", "walmart.jpg")


@pytest.fixture(scope="module")
def read() -> Read:
    """The engine, built once."""
    return RapidOcr().build()


@pytest.fixture(scope="module")
def drawn() -> Image.Image:
    """HELLO at the upper left, in red on white, and 4217 at the lower right."""
    image = Image.new("RGB", (400, 200), "white")
    pen = ImageDraw.Draw(image)
    pen.text((20, 30), "HELLO", font=ImageFont.load_default(40), fill=(180, 0, 0), anchor="lt")
    pen.text((250, 140), "4217", font=ImageFont.load_default(40), fill=(0, 0, 90), anchor="lt")
    return image


def middle(region: Region) -> np.ndarray[Any, Any]:
    """Give the middle of a region."""
    return np.mean(region.quad, axis=0)  # type: ignore[no-any-return]


def test_the_engine_is_known_by_its_name(engine: Engine) -> None:
    assert engine.registry.find("ocr_engines", "rapidocr") is RapidOcr


def test_its_version_names_library_runtime_and_models() -> None:
    told = RapidOcr().version
    assert told.startswith(f"rapidocr {version('rapidocr')}, onnxruntime {version('onnxruntime')}, lines by PP-OCR")
    assert ", texts by PP-OCR" in told


def test_the_models_are_in_the_wheel() -> None:
    """Else it would ask the network for them."""
    import rapidocr

    assert list((Path(rapidocr.__file__).parent / "models").glob("*rec*.onnx"))


def test_texts_are_found_where_they_stand(read: Read, drawn: Image.Image) -> None:
    first, second = sorted(read(drawn), key=lambda region: region.quad[0][1])
    assert (first.text, second.text) == ("HELLO", "4217")
    boxes = [(20, 30, *_size("HELLO")), (250, 140, *_size("4217"))]
    for region, (left, top, width, height) in zip((first, second), boxes, strict=True):
        corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
        np.testing.assert_allclose(region.quad, corners, atol=12)
        assert 0.9 < region.confidence <= 1


def _size(text: str) -> tuple[int, int]:
    _, _, right, bottom = ImageFont.load_default(40).getbbox(text, anchor="lt")
    return round(right), round(bottom)


def test_places_are_those_of_the_image_that_is_given_not_of_a_smaller_one(drawn: Image.Image) -> None:
    large = drawn.resize((1600, 800))
    found = RapidOcr(longest_side=400).build()(large)
    assert sorted(region.text for region in found) == ["4217", "HELLO"]
    (hello,) = (region for region in found if region.text == "HELLO")
    np.testing.assert_allclose(middle(hello), 4 * np.array([20 + _size("HELLO")[0] / 2, 45]), atol=30)


@pytest.mark.parametrize("size", [(40, 30), (1, 1)])
def test_an_image_without_text_has_no_region(size: tuple[int, int], read: Read) -> None:
    assert read(Image.new("RGB", size, "white")) == []


@pytest.mark.parametrize(("size", "seen"), [((2000, 3), (2000, 1000)), ((3, 2001), (1001, 2001)), ((80, 40), (80, 40))])
def test_a_narrow_image_is_read_as_part_of_a_wider_one(size: tuple[int, int], seen: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (9, 8, 7))
    image.putpixel((size[0] - 1, size[1] - 1), (255, 0, 0))
    wider = _widened(image)
    assert wider.size == seen
    assert wider.getpixel((size[0] - 1, size[1] - 1)) == (255, 0, 0)
    assert wider.getcolors() == [(1, (255, 0, 0)), (seen[0] * seen[1] - 1, (9, 8, 7))]


def test_the_text_of_a_narrow_image_is_found_where_it_stands(read: Read, drawn: Image.Image) -> None:
    (hello,) = read(drawn.crop((0, 22, 400, 68)))
    assert hello.text == "HELLO"
    np.testing.assert_allclose(middle(hello), (20 + _size("HELLO")[0] / 2, 23), atol=8)


def test_what_is_not_certain_enough_is_left_out(drawn: Image.Image) -> None:
    assert RapidOcr(least_confidence=1.0).build()(drawn) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"least_confidence": 1.1}, "'least_confidence' must be <= 1.0: 1.1"),
        ({"least_line": -0.1}, "'least_line' must be >= 0.0: -0.1"),
        ({"longest_side": 31}, "'longest_side' must be >= 32: 31"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        RapidOcr(**change)


def test_settings_reach_the_library_and_it_keeps_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import rapidocr

    given: dict[str, Any] = {}
    monkeypatch.setattr(rapidocr, "RapidOCR", lambda params: given.update(params), raising=False)  # noqa: PLW0108 - by its name
    RapidOcr(least_confidence=0.25, least_line=0.75, longest_side=640, upside_down=False).build()
    assert given == {
        "Global.log_level": "error",
        "Global.text_score": 0.25,
        "Global.max_side_len": 640,
        "Global.use_cls": False,
        "Det.box_thresh": 0.75,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }


def test_nothing_is_said(read: Read, capfd: pytest.CaptureFixture[str]) -> None:
    read(Image.new("RGB", (40, 30), "white"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", PICTURES)
def test_words_in_real_pictures_are_found_where_the_published_code_found_them(
    name: str, read: Read, shared: Path
) -> None:
    """Its lines are on the image after padding to a square, ours on the image itself."""
    lines = json.loads((shared / "golden" / "samples.json").read_text(encoding="utf-8"))["ocr"][name]
    with Image.open(shared / "images" / name) as picture:
        image = picture.convert("RGB")
    square = max(image.size)
    padding = np.array([(square - length) // 2 for length in image.size])
    found = read(image)
    for region in found:
        assert (np.array(region.quad) >= 0).all()
        assert (np.array(region.quad) <= image.size).all()
    missed = [
        text
        for corners, (text, _) in lines
        if not any(
            region.text == text and np.abs(middle(region) - np.mean(corners, axis=0) + padding).max() < 0.01 * square
            for region in found
        )
    ]
    assert len(missed) <= len(lines) * 0.1
    wanted = {"kfc.jpg": "KFC", "radar_chart.jpg": "TextVQA", "walmart.jpg": "$199"}[name]
    assert wanted in [region.text for region in found]


def test_it_is_a_part_like_any_other() -> None:
    assert isinstance(RapidOcr(), OcrEngine)
    assert evolve(RapidOcr(), longest_side=100) == RapidOcr(longest_side=100)
