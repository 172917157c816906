"""Writing a cache: what is begun, what is gone on with, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from remgcl import Region, RunError
from remgcl.core.files.images import digest
from remgcl.core.ocr.cache import OcrCache, Origin, schema
from remgcl.core.ocr.writer import OcrWriter, Row, packed

ORIGIN = Origin(engine="made-up", version="made-up 1", settings={"unit": "red", "least": 0.1, "sizes": [1, 2]})
QUAD = ((1.5, 2.0), (30.0, 2.0), (30.0, 9.25), (1.5, 9.25))
ROW = Row(content=digest(b"0"), name="0.png", size=(40, 30))


def fill(path: Path, *rows: Row) -> Path:
    """Write rows to a cache, and give its folder."""
    writer = OcrWriter(path, ORIGIN)
    for row in rows:
        writer.add(packed(row))
    writer.flush()
    return path


def test_rows_are_kept_until_they_are_written(tmp_path: Path) -> None:
    writer = OcrWriter(tmp_path / "new" / "cache", ORIGIN)
    for count in (1, 2):
        writer.add(packed(evolve(ROW, content=digest(bytes(count)))))
        assert len(writer) == count
    assert [file.name for file in writer.known.path.iterdir()] == ["about.json"]
    writer.flush()
    assert len(writer) == 0
    (shard,) = OcrCache.open(writer.known.path).shards
    assert shard.stem == digest(shard.read_bytes())


def test_a_writer_knows_what_the_cache_holds(tmp_path: Path) -> None:
    assert ROW.content in OcrWriter(fill(tmp_path, ROW), ORIGIN).known


def test_rows_that_cannot_be_written_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = OcrWriter(tmp_path, ORIGIN)
    writer.add(packed(ROW))
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(RunError, match=f"^{re.escape(str(tmp_path))}: cannot be written; no space left on device$"):
            writer.flush()
    assert len(OcrCache.open(tmp_path)) == 0
    writer.flush()
    assert len(OcrCache.open(tmp_path)) == 1


def test_a_name_that_is_no_text_is_still_written(tmp_path: Path) -> None:
    assert len(OcrCache.open(fill(tmp_path, evolve(ROW, name="\udcff.png")))) == 1


def test_half_of_a_surrogate_pair_is_replaced_as_arrow_cannot_hold_it() -> None:
    assert packed(evolve(ROW, regions=[Region("a\udcff", QUAD)])) == packed(
        evolve(ROW, regions=[Region("a\ufffd", QUAD)])
    )


@pytest.mark.parametrize("change", [{"engine": "x"}, {"version": "made-up 2"}, {"settings": {"unit": "blue"}}])
def test_a_cache_of_something_else_is_not_gone_on_with(change: dict[str, Any], tmp_path: Path) -> None:
    path, other = fill(tmp_path, ROW), evolve(ORIGIN, **change)
    with pytest.raises(RunError) as told:
        OcrWriter(path, other)
    assert str(told.value) == f"{path}: is a cache made by {ORIGIN}; it is now {other}; name another folder with --out"
    assert str(ORIGIN) == "made-up (made-up 1) with least = 0.1, sizes = [1, 2], unit = 'red'"


def test_files_without_their_about_are_not_taken_over(tmp_path: Path) -> None:
    path = fill(tmp_path, ROW)
    (path / "about.json").unlink()
    with pytest.raises(RunError, match="is no OCR cache"):
        OcrWriter(path, ORIGIN)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=f"^{tmp_path}/file: cannot be written; file exists$"):
        OcrWriter(tmp_path / "file", ORIGIN)


def test_nothing_is_written_of_no_row(tmp_path: Path) -> None:
    path = fill(tmp_path)
    assert [file.name for file in path.iterdir()] == ["about.json"]
    assert len(OcrCache.open(path)) == 0
    assert OcrCache.open(path).regions(ROW.content) is None


@given(
    regions=st.lists(
        st.builds(
            Region,
            st.text(st.characters(exclude_categories=["Cs"])),
            st.tuples(*[st.tuples(st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))] * 4),
            st.floats(0, 1, width=32),
        ),
        max_size=5,
    ),
    error=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_row_is_what_arrow_makes_of_its_values(regions: list[Region], error: str | None) -> None:
    values = {
        "content": bytes.fromhex(ROW.content),
        "name": ROW.name,
        "width": 40,
        "height": 30,
        "regions": [
            {
                "text": region.text,
                "quad": [part for corner in region.quad for part in corner],
                "confidence": region.confidence,
            }
            for region in regions
        ],
        "error": error,
    }
    batch = packed(evolve(ROW, regions=regions, error=error), ROW, *[evolve(ROW, error=error)] * 9)
    batch.validate(full=True)
    bare = {**values, "regions": []}
    expected = [values, {**bare, "error": None}, *[bare] * 9]
    assert batch.equals(pa.RecordBatch.from_pylist(expected, schema=schema()))


@pytest.mark.parametrize("region", [Region("a", QUAD[:3]), Region("a", QUAD, "high"), Region("a", QUAD, None)])  # type: ignore[arg-type]
def test_what_arrow_cannot_hold_is_an_error(region: Region) -> None:
    with pytest.raises((ValueError, TypeError), match=r"a region without 4 corners|must be real number"):
        packed(evolve(ROW, regions=[region]))


def test_writing_and_reading_a_cache_imports_no_pandas(tmp_path: Path) -> None:
    """It would take 50 MB and half a second."""
    program = f"""
import sys
from pathlib import Path
from remgcl import Region
from remgcl.core.ocr.cache import OcrCache, Origin, schema
from remgcl.core.ocr.writer import OcrWriter, Row, packed
writer = OcrWriter(Path({str(tmp_path)!r}), Origin(engine="made-up", version="1"))
assert {ROW.content!r} not in writer.known
writer.add(packed(Row(content={ROW.content!r}, name="0.png", size=(40, 30), regions=[Region("a", {QUAD!r})])))
writer.flush()
assert OcrCache.open(writer.known.path).regions({ROW.content!r})[0].text == "a"
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program
