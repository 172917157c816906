"""The cache of text regions: written whole, read without loss, refused where it is of something else."""

import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from remgcl import Region, RunError, Sample
from remgcl.core.files.images import digest, pixel_digest
from remgcl.core.ocr.cache import OcrCache, Origin, WithRegions, content_of
from remgcl.core.ocr.writer import OcrWriter, Row, packed

ORIGIN = Origin(engine="made-up", version="made-up 1", settings={"unit": "red", "least": 0.1, "sizes": [1, 2]})
QUAD = ((1.5, 2.0), (30.0, 2.0), (30.0, 9.25), (1.5, 9.25))

single = st.floats(width=32, allow_nan=False, allow_infinity=False)
point = st.tuples(single, single)
region = st.builds(
    Region, st.text(), st.tuples(point, point, point, point), st.floats(0, 1, width=32, allow_subnormal=False)
)


def row(number: int, *regions: Region, error: str | None = None) -> Row:
    """Make the row of an image by a number."""
    return Row(content=digest(str(number).encode()), name=f"{number}.png", size=(40, 30), regions=regions, error=error)


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Path]:
    """Write rows to a cache, as many in a file as is said, and give its folder."""

    def fill(*rows: Row, shard: int = 2, origin: Origin = ORIGIN, name: str = "cache") -> Path:
        path = tmp_path / name
        writer = OcrWriter(path, origin)
        for place, each in enumerate(rows, 1):
            writer.add(packed(each))
            if place % shard == 0:
                writer.flush()
        writer.flush()
        return path

    return fill


class Listed:
    """Samples that were made before."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        """Keep them."""
        self.samples = samples

    def __len__(self) -> int:
        """Count them."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        """Give one."""
        return self.samples[index]

    def modality_lengths(self) -> Sequence[int]:
        """Give each the length of its place."""
        return list(range(len(self)))


def test_what_is_written_is_read_again(fill: Callable[..., Path]) -> None:
    red, blue = Region("red", QUAD, 0.5), Region("blau, blå, 青 🟦", QUAD, 1.0)
    cache = OcrCache.open(fill(row(0, red, blue), row(1), row(2, blue)))
    assert (len(cache), len(cache.shards), cache.origin) == (3, 2, ORIGIN)
    assert cache.regions(row(0).content) == (red, blue)
    assert cache.regions(row(1).content) == ()
    assert cache.regions(row(2).content) == (blue,)
    assert cache.regions(row(3).content) is None
    assert row(2).content in cache
    assert row(3).content not in cache


@given(rows=st.lists(st.lists(region, max_size=4), max_size=6), shard=st.integers(1, 4))
def test_texts_and_quads_come_back_as_they_were(
    rows: list[list[Region]], shard: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer = OcrWriter(tmp_path_factory.mktemp("cache"), ORIGIN)
    for number, regions in enumerate(rows):
        writer.add(packed(row(number, *regions)))
        if number % shard == 0:
            writer.flush()
    writer.flush()
    cache = OcrCache.open(writer.known.path)
    assert [cache.regions(row(number).content) for number in range(len(rows))] == [tuple(each) for each in rows]


@given(contents=st.sets(st.binary(min_size=16, max_size=16), max_size=30), other=st.binary(min_size=16, max_size=16))
def test_any_digest_is_found_whatever_its_bytes(
    contents: set[bytes], other: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes of nought at the end of a digest count like any others."""
    contents |= {bytes(16), bytes(15) + b"\1", b"\1" + bytes(15)}
    writer = OcrWriter(tmp_path_factory.mktemp("cache"), ORIGIN)
    for content in contents:
        writer.add(packed(evolve(row(0, Region(content.hex(), QUAD)), content=content.hex())))
    writer.flush()
    cache = OcrCache.open(writer.known.path)
    for content in contents:
        (found,) = cache.regions(content.hex()) or ()
        assert found.text == content.hex()
    assert (other.hex() in cache) == (other in contents)


def test_an_image_that_is_there_twice_counts_once(fill: Callable[..., Path]) -> None:
    cache = OcrCache.open(fill(row(0, Region("a", QUAD)), row(1), row(0, Region("a", QUAD)), row(2)))
    assert len(cache) == 3
    assert cache.regions(row(0).content) == (Region("a", QUAD),)


def test_an_image_that_the_engine_could_not_read_has_no_regions(fill: Callable[..., Path]) -> None:
    cache = OcrCache.open(fill(row(0, error="ValueError: no")))
    assert cache.regions(row(0).content) == ()


def test_the_digest_is_that_of_origin_and_images_however_they_were_written(fill: Callable[..., Path]) -> None:
    rows = [row(number) for number in range(5)]
    first = OcrCache.open(fill(*rows)).digest
    assert OcrCache.open(fill(*reversed(rows), shard=3, name="b")).digest == first
    others = [
        fill(*rows[:4], name="c"),
        fill(*rows, origin=evolve(ORIGIN, version="made-up 2"), name="d"),
        fill(*rows, origin=evolve(ORIGIN, engine="other"), name="e"),
        fill(*rows, origin=evolve(ORIGIN, settings={"unit": "blue"}), name="f"),
    ]
    assert len({first, *(OcrCache.open(path).digest for path in others)}) == 5


def test_a_cache_goes_to_another_process_by_its_path(fill: Callable[..., Path]) -> None:
    cache = OcrCache.open(fill(*(row(number, Region("word " * 50, QUAD)) for number in range(50))))
    assert len(cache) == 50
    sent = pickle.dumps(cache)
    assert len(sent) < 5000
    again = pickle.loads(sent)  # noqa: S301 - ours
    assert again.regions(row(7).content) == cache.regions(row(7).content)
    assert again.origin == ORIGIN


def test_a_cache_is_mapped_into_memory_not_copied(fill: Callable[..., Path]) -> None:
    import pyarrow as pa

    path = fill(*(row(number, Region("word " * 200, QUAD)) for number in range(50)), shard=50)
    before = pa.total_allocated_bytes()
    cache = OcrCache.open(path)
    assert cache.regions(row(7).content) is not None
    assert pa.total_allocated_bytes() - before < 10_000


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_broken_file_is_named_with_what_to_do(damage: str, fill: Callable[..., Path]) -> None:
    path = fill(*(row(number, Region("word", QUAD)) for number in range(4)))
    broken, whole = sorted(path.glob("*.arrow"))
    raw = bytearray(broken.read_bytes())
    raw[len(raw) // 2] ^= 1
    broken.write_bytes({"cut": raw[:-9], "empty": b"", "flipped": raw}[damage])
    for use in (OcrCache.open, lambda path: OcrWriter(path, ORIGIN)):
        with pytest.raises(RunError) as told:
            use(path)
        assert str(told.value) == (
            f"{broken}: is broken or cut off; delete it and run remgcl ocr again, which recognises its images again"
        )
    assert broken.exists()
    assert whole.exists()


def test_a_file_that_vanished_after_it_was_seen_is_named(fill: Callable[..., Path]) -> None:
    cache = OcrCache.open(fill(row(0)))
    cache.shards[0].unlink()
    with pytest.raises(RunError, match=f"^{cache.shards[0]}: cannot be read; "):
        cache.regions(row(0).content)


def test_what_was_being_written_is_no_part_of_the_cache(fill: Callable[..., Path]) -> None:
    path = fill(row(0))
    (path / "00.arrow.part").write_bytes(b"half")
    assert len(OcrCache.open(path)) == 1


def test_a_folder_without_a_cache_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunError, match=f"^{path}: is no OCR cache; there is no about.json, "):
            OcrCache.open(path)


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ("{", "cannot be read; "),
        ("[]", "is not a JSON object"),
        ("{}", "format: must be 1; it is None"),
        ('{"format": 2, "engine": "a", "version": "b", "settings": {}}', "format: must be 1; it is 2"),
        ('{"format": 1, "engine": "a", "settings": {}}', "version: is missing"),
    ],
)
def test_a_cache_that_does_not_say_what_it_is_is_refused(about: str, what: str, fill: Callable[..., Path]) -> None:
    path = fill(row(0))
    (path / "about.json").write_text(about)
    with pytest.raises(RunError, match=f"^{path}/about.json: {re.escape(what)}"):
        OcrCache.open(path)


def test_an_image_gets_the_regions_of_the_cache_where_it_has_none(
    fill: Callable[..., Path], ask: Callable[..., Sample]
) -> None:
    own, found = Region("own", QUAD), Region("found", QUAD)
    samples = [ask("a"), ask("bb", regions=(own,)), ask("ccc"), ask("dddd", size=None)]
    contents = [content_of(sample) for sample in samples[:2]]
    cache = OcrCache.open(fill(*(evolve(row(0, found), content=content) for content in contents)))
    joined = WithRegions(Listed(samples), cache)
    assert [joined[index].regions for index in range(len(joined))] == [(found,), (own,), (), ()]
    assert joined[0].image is samples[0].image
    assert joined.modality_lengths() == [0, 1, 2, 3]


def test_the_content_is_what_the_dataset_says_or_the_pixels(ask: Callable[..., Sample]) -> None:
    sample = ask()
    assert sample.image is not None
    assert content_of(sample) == pixel_digest(sample.image)
    assert content_of(evolve(sample, content="0f")) == "0f"
    np.testing.assert_equal(len(content_of(sample)), 32)
