"""Drawn data: the same index is the same drawing, regions lie on ink, and held-out texts stay held out."""

import os
import pickle
import subprocess
import sys
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from remgcl import DataError, Sample, Turn
from remgcl.plugins.datasets import Synthetic

ALPHABETS = {"digits": digits, "letters": ascii_uppercase, "words": ascii_lowercase}

drawable = st.builds(
    Synthetic,
    samples=st.just(10**6),
    split=st.sampled_from(["train", "held_out"]),
    content=st.sampled_from(sorted(ALPHABETS)),
    length=st.integers(1, 6),
    lines=st.integers(1, 4),
    size=st.integers(64, 224),
    font=st.tuples(st.integers(1, 20), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    seed=st.integers(0, 2**32),
)


def _fits(data: Synthetic) -> bool:
    try:
        return data.census().samples > 0
    except DataError:
        return False


def _ink(sample: Sample) -> npt.NDArray[np.bool_]:
    """Tell the pixels that differ from the paper, whose colour most pixels have."""
    assert sample.image is not None
    pixels = np.asarray(sample.image).astype(int)
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return (pixels != colours[counts.argmax()]).any(axis=2)


def _boxes(sample: Sample) -> list[tuple[int, int, int, int]]:
    """Give left, top, right and bottom of each region, and make sure that it is upright."""
    boxes = []
    for region in sample.regions:
        (left, top), *others = region.quad
        right, bottom = others[1]
        assert others == [(right, top), (right, bottom), (left, bottom)]
        boxes.append((int(left), int(top), int(right), int(bottom)))
    return boxes


def _same(first: Sample, second: Sample) -> bool:
    assert first.image is not None
    assert second.image is not None
    told = [(sample.id, sample.turns, sample.regions) for sample in (first, second)]
    return told[0] == told[1] and first.image.tobytes() == second.image.tobytes()


@settings(max_examples=60, deadline=None)
@given(data=drawable.filter(_fits), index=st.integers(0, 10**6 - 1))
def test_every_drop_of_ink_lies_in_a_region(data: Synthetic, index: int) -> None:
    sample = data.build()[index]
    ink, inside = _ink(sample), np.zeros((data.size, data.size), dtype=bool)
    for left, top, right, bottom in _boxes(sample):
        inside[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
    assert not (ink & ~inside).any()


@settings(max_examples=60, deadline=None)
@given(data=drawable.filter(_fits), index=st.integers(0, 10**6 - 1))
def test_every_region_fits_its_text_and_lies_in_the_image(data: Synthetic, index: int) -> None:
    sample = data.build()[index]
    ink = _ink(sample)
    for region, (left, top, right, bottom) in zip(sample.regions, _boxes(sample), strict=True):
        assert 0 < left < right < data.size
        assert 0 < top < bottom < data.size
        extents = [
            ImageFont.load_default(height).getbbox(region.text, anchor="lt")
            for height in range(data.font[0], data.font[1] + 1)
        ]
        assert (right - left, bottom - top) in [(round(extent[2]), round(extent[3])) for extent in extents]
        rows = np.flatnonzero(ink[top - 1 : bottom + 1, left:right].any(axis=1)) - 1
        columns = np.flatnonzero(ink[top:bottom, max(0, left - 1) : right + 1].any(axis=0)) - 1
        assert abs(rows[0]) <= 1
        assert abs(rows[-1] - (bottom - top - 1)) <= 1
        room = 2 + data.font[1] / 4  # a letter stands in a space of its own
        assert columns[0] <= room
        assert (right - left - 1) - columns[-1] <= room


@settings(max_examples=60, deadline=None)
@given(data=drawable.filter(_fits), index=st.integers(0, 10**6 - 1))
def test_the_answer_is_what_is_written_from_top_to_bottom(data: Synthetic, index: int) -> None:
    sample = data.build()[index]
    boxes = _boxes(sample)
    assert len(boxes) == data.lines
    for (_, _, _, above), (_, below, _, _) in pairwise(boxes):
        assert above < below
    texts = [region.text for region in sample.regions]
    assert sample.turns == (
        Turn("user", "What is written here?", image=True),
        Turn("assistant", " ".join(texts)),
    )
    for text in texts:
        assert len(text) == data.length
        assert set(text) <= set(ALPHABETS[data.content])
        assert data.belongs(text)


def test_words_alternate_consonants_and_vowels() -> None:
    samples = Synthetic(content="words", length=5, size=160, samples=30).build()
    for sample in samples:
        assert [letter in "aeiou" for letter in sample.turns[1].text] == [False, True, False, True, False]


@given(
    text=st.text(max_size=8),
    share=st.floats(0.01, 0.99),
    seeds=st.tuples(st.integers(min_value=0), st.integers(min_value=0)),
)
def test_a_text_belongs_to_one_split_whatever_the_seed(text: str, share: float, seeds: tuple[int, int]) -> None:
    train = Synthetic(held_out=share, seed=seeds[0])
    held_out = Synthetic(held_out=share, seed=seeds[1], split="held_out", samples=3, content="words")
    assert train.belongs(text) != held_out.belongs(text)


@settings(max_examples=30, deadline=None)
@given(
    content=st.sampled_from(sorted(ALPHABETS)),
    length=st.integers(1, 3),
    seeds=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
)
def test_what_is_held_out_is_never_drawn_for_training(content: Any, length: int, seeds: tuple[int, int]) -> None:  # noqa: ANN401 - a literal
    both = [
        Synthetic(split=split, content=content, length=length, seed=seed, samples=12, size=128, font=(14, 18), lines=2)
        for split, seed in zip(("train", "held_out"), seeds, strict=True)
    ]
    assume(all(map(_fits, both)))
    train, held_out = ({region.text for sample in data.build() for region in sample.regions} for data in both)
    assert train
    assert held_out
    assert not train & held_out


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_share_held_out_is_as_asked(share: float) -> None:
    data = Synthetic(held_out=share, split="held_out")
    found = sum(data.belongs(f"{number:04}") for number in range(10_000)) / 10_000
    assert found == pytest.approx(share, abs=0.015)


@given(index=st.integers(0, 99), other=st.integers(0, 99))
def test_an_index_is_always_the_same_drawing(index: int, other: int) -> None:
    data = Synthetic(samples=100)
    samples = data.build()
    first = samples[index]
    assert _same(samples[other], first) == (index == other)
    assert _same(data.build()[index], first)
    assert _same(pickle.loads(pickle.dumps(samples))[index], first)  # noqa: S301 - our own
    assert not _same(evolve(data, seed=1).build()[index], first)
    assert not _same(evolve(data, split="held_out").build()[index], first)
    assert _same(evolve(data, samples=200).build()[index], first)


def test_another_process_draws_the_same() -> None:
    program = "from remgcl.plugins.datasets import Synthetic; print(*(s.regions for s in Synthetic(samples=5).build()))"
    told = {
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", program], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    here = " ".join(str(sample.regions) for sample in Synthetic(samples=5).build())
    assert {text.decode().strip() for text in told} == {here}


def test_samples_are_named_counted_and_end() -> None:
    data = Synthetic(samples=3, split="held_out", question="Read the two numbers", lines=2, font=(14, 18))
    samples = data.build()
    assert len(samples) == 3
    assert [sample.id for sample in samples] == ["held_out-0", "held_out-1", "held_out-2"]
    assert {sample.turns[0].text for sample in samples} == {"Read the two numbers"}
    assert samples.modality_lengths() == [6, 6, 6]
    for index in (-1, 3):
        with pytest.raises(IndexError, match=str(index)):
            samples[index]


def test_the_image_has_the_size_that_is_asked_for() -> None:
    image = Synthetic(size=123).build()[0].image
    assert image is not None
    assert (image.mode, image.size) == ("RGB", (123, 123))


def test_the_census_counts_and_its_digest_changes_with_every_setting() -> None:
    data = Synthetic(samples=7)
    census = data.census()
    assert (census.samples, census.images, census.digest) == (7, 7, Synthetic(samples=7).census().digest)
    changes: dict[str, Any] = {
        "samples": 8,
        "split": "held_out",
        "held_out": 0.3,
        "content": "words",
        "length": 2,
        "lines": 2,
        "size": 97,
        "font": (20, 29),
        "question": "?",
        "seed": 1,
    }
    others = [evolve(data, **{name: value}).census().digest for name, value in changes.items()]
    assert len({census.digest, *others}) == 1 + len(changes)


@pytest.mark.parametrize(
    "change",
    [
        {"length": 8},
        {"lines": 4},
        {"size": 40},
        {"content": "letters", "length": 4},
        {"content": "words", "length": 5},
        {"font": (20, 90)},
    ],
)
def test_what_does_not_fit_is_told_before_it_is_drawn(change: dict[str, Any]) -> None:
    data = Synthetic(**change)
    with pytest.raises(
        DataError,
        match=rf"^dataset 'synthetic': {data.lines} lines of \d+ x \d+ pixels do not fit an image of "
        f"{data.size} x {data.size}; take a smaller font, fewer characters or a larger size$",
    ):
        data.census()
    with pytest.raises(DataError, match="do not fit"):
        data.build()


def test_the_widest_letters_and_the_tallest_are_reckoned_with() -> None:
    """Five zeros of 40 pixels are narrower than 118, and lower than some words."""
    zeros = ImageFont.load_default(40).getbbox("00000", anchor="lt")
    words = Synthetic(content="words", length=5, size=120, font=(40, 40))
    assert zeros[2] + 2 <= words.size
    with pytest.raises(DataError, match="do not fit"):
        words.census()


def test_a_split_without_a_text_is_told_before_it_is_drawn() -> None:
    for split, share in (("held_out", 1e-6), ("train", 1 - 1e-6)):
        with pytest.raises(
            DataError,
            match=f"^dataset 'synthetic': none of 2000 texts belongs to the split '{split}'; "
            "take more characters or a share that is less extreme$",
        ):
            Synthetic(split=split, held_out=share).census()


@pytest.mark.parametrize("font", [(0, 10), (-3, 10), (30, 20)])
def test_sizes_of_the_font_must_be_a_range(font: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match=rf"^font \[{font[0]}, {font[1]}\] must be the smallest and the largest height"
    ):
        Synthetic(font=font)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"samples": 0}, "'samples' must be >= 1: 0"),
        ({"held_out": 0.0}, "'held_out' must be > 0: 0.0"),
        ({"held_out": 1.0}, "'held_out' must be < 1: 1.0"),
        ({"length": 0}, "'length' must be >= 1: 0"),
        ({"lines": 0}, "'lines' must be >= 1: 0"),
        ({"size": 15}, "'size' must be >= 16: 15"),
        ({"seed": -1}, "'seed' must be >= 0: -1"),
    ],
)
def test_numbers_out_of_range_are_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Synthetic(**change)
