"""Drawn pages: the same index is the same drawing, regions lie on ink, and held-out pages stay held out."""

import numpy as np
import pytest
from attrs import evolve

from remgcl import DataError
from remgcl.plugins.datasets import Pages


@pytest.mark.parametrize("kind", ["receipt", "chart", "sign"])
@pytest.mark.parametrize(("size", "rows"), [(96, (2, 3)), (256, (2, 5)), (512, (1, 12))])
def test_every_region_holds_ink_and_none_leaves_the_page(kind: str, size: int, rows: tuple[int, int]) -> None:
    built = Pages(samples=12, kinds=(kind,), size=size, rows=rows).build()  # type: ignore[arg-type]
    for index in range(12):
        sample = built[index]
        assert sample.image is not None
        pixels = np.asarray(sample.image).astype(int)
        written = "\n".join(" ".join(row) for row in _rows([region.text for region in sample.regions], kind))
        assert sample.turns[-1].text == written
        for region in sample.regions:
            (left, top), _, (right, bottom), _ = ((int(x), int(y)) for x, y in region.quad)
            assert 0 <= left < right <= size
            assert 0 <= top < bottom <= size
            shown = pixels[top:bottom, left:right]
            assert (np.abs(shown - pixels[0, 0]).sum(axis=2) > 100).mean() > 0.05


def _rows(texts: list[str], kind: str) -> list[list[str]]:
    wide = 1 if kind == "sign" else 2
    return [texts[at : at + wide] for at in range(0, len(texts), wide)]


def test_regions_of_a_page_do_not_overlap() -> None:
    built = Pages(samples=60, rows=(3, 6)).build()
    for index in range(60):
        boxes = [(region.quad[0], region.quad[2]) for region in built[index].regions]
        for place, ((left, top), (right, bottom)) in enumerate(boxes):
            for (west, north), (east, south) in boxes[place + 1 :]:
                assert right <= west or east <= left or bottom <= north or south <= top


def test_the_same_index_is_the_same_page_and_other_indices_are_others() -> None:
    one, other = Pages(samples=50).build(), Pages(samples=100).build()
    texts = [one[index].turns[-1].text for index in range(50)]
    assert texts == [other[index].turns[-1].text for index in range(50)]
    assert len(set(texts)) > 45
    assert one[3].image.tobytes() == other[3].image.tobytes()  # type: ignore[union-attr]


def test_held_out_pages_are_never_drawn_for_training() -> None:
    data = Pages(samples=300, rows=(1, 2), words=4, largest=9, kinds=("sign",))
    seen = {sample.turns[-1].text for sample in map(data.build().__getitem__, range(300))}
    held_out = evolve(data, split="held_out", seed=5).build()
    told = {held_out[index].turns[-1].text for index in range(300)}
    assert seen.isdisjoint(told)
    assert len(told) > 10


def test_lengths_are_those_of_the_samples() -> None:
    built = Pages(samples=20).build()
    for index, length in enumerate(built.modality_lengths()):
        assert length == sum(len(turn.text.split()) for turn in built[index].turns)


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"^dataset 'pages': 12 rows do not fit an image of 96 x 96 pixels in letters"):
        Pages(size=96, rows=(2, 12)).build()


def test_a_split_without_pages_is_refused() -> None:
    data = Pages(kinds=("sign",), rows=(1, 1), words=2, largest=9, held_out=1e-6, split="held_out")
    with pytest.raises(DataError, match=r"none of 2000 pages belongs to the split 'held_out'; take more rows"):
        data.census()


@pytest.mark.parametrize("rows", [(0, 2), (3, 2), (2, 41)])
def test_rows_must_be_a_range_of_words_that_differ(rows: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^rows \[.*\] must be the fewest and the most rows"):
        Pages(rows=rows)


def test_a_page_needs_a_kind() -> None:
    with pytest.raises(ValueError, match=r"^kinds must name at least one sort of page; it is empty$"):
        Pages(kinds=())
