"""What PP-OCR finds, as regions."""

import numpy as np
import pytest

from remgcl import Region
from remgcl.plugins.ocr_engines.lines import regions

QUADS = np.array([[[0, 1], [5, 1], [5, 3], [0, 3]], [[2.5, 2], [4, 2], [4, 4], [2.5, 4]]], dtype=np.float32)


def test_each_line_is_a_region_of_plain_numbers() -> None:
    found = regions(QUADS, ("one", "two"), (0.5, 1.0))
    assert found == [
        Region("one", ((0.0, 1.0), (5.0, 1.0), (5.0, 3.0), (0.0, 3.0)), 0.5),
        Region("two", ((2.5, 2.0), (4.0, 2.0), (4.0, 4.0), (2.5, 4.0)), 1.0),
    ]
    assert {type(part) for region in found for corner in region.quad for part in corner} == {float}


def test_a_line_without_a_text_is_left_out() -> None:
    assert [region.text for region in regions(QUADS, (" ", "two"), (1, 1))] == ["two"]


def test_rounding_takes_no_confidence_out_of_its_range() -> None:
    found = regions(QUADS, ("one", "two"), np.array([1.0000001, -1e-9]))
    assert [region.confidence for region in found] == [1.0, 0.0]


def test_places_without_texts_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        regions(QUADS, ("one",), (1, 1))
