"""LLaVA's JSON as a dataset: its census, its samples, and what happens to bad input."""

import hashlib
import json
import logging
import os
import pickle
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from remgcl import LARGEST_IMAGE, Census, DataError, FaultsError, ImageFolder, Region, Turn
from remgcl.core.files.verified import contents_read
from remgcl.plugins.datasets import LlavaJson

Make = Callable[..., dict[str, Any]]
Write = Callable[..., LlavaJson]


def test_the_recorded_samples_are_read(shared: Path) -> None:
    golden = shared / "golden" / "samples.json"
    data = LlavaJson(path=str(golden), key="samples", images=str(shared / "images"))
    census = data.census()
    assert (census.samples, census.images) == (5, 4)
    samples = data.build()
    assert [sample.id for sample in samples] == ["kfc-1", "walmart-1", "radar-1", "text-1", "first-gpt"]
    assert samples[2].turns[0] == Turn("user", "What do the numbers of the chart suggest?", image=True)
    assert [turn.image for turn in samples[0].turns] == [True, False, False, False]
    assert samples[3].image is None
    assert samples[4].image is not None
    assert samples[4].image.mode == "RGB"
    assert samples.modality_lengths() == [33, 25, 32, -17, 5]


def test_a_record_becomes_a_sample(dataset: Write, record: Make) -> None:
    quad = [[0, 0], [6, 0], [6, 4], [0, 4]]
    regions = [{"text": "red", "quad": quad, "confidence": 0.9}]
    sample = dataset([record("<image>\nColour?", "Red.", id=7, image="red.png", regions=regions)]).build()[0]
    assert (sample.id, sample.stands_in_for) == ("7", 0)
    assert sample.turns == (Turn("user", "Colour?", image=True), Turn("assistant", "Red."))
    assert sample.image is not None
    assert (sample.image.size, sample.image.getpixel((0, 0))) == ((6, 4), (255, 0, 0))
    assert sample.regions == (Region("red", ((0, 0), (6, 0), (6, 4), (0, 4)), 0.9),)


def test_texts_and_images_are_mixed_and_told_apart(dataset: Write, record: Make) -> None:
    records = [record("<image> one two", "three", image="red.png"), record("one two", "three"), record("one", "")]
    data = dataset(records)
    census, samples = data.census(), data.build()
    assert (census.samples, census.images, len(samples)) == (3, 1, 3)
    assert samples.modality_lengths() == [4, -3, -1]
    assert [sample.image is None for sample in samples] == [False, True, True]
    assert [sample.id for sample in samples] == ["0", "1", "2"]


@pytest.mark.parametrize("unreadable", ["stop", "skip"])
def test_images_are_decoded_by_the_census_where_contents_are_asked_for(
    dataset: Write, record: Make, unreadable: str
) -> None:
    data = dataset(
        [record("<image>", "b", image="red.png"), record("<image>", "b", id="cut", image="cut.png")],
        unreadable=unreadable,
    )
    assert data.census().notes == ()
    with contents_read():
        if unreadable == "skip":
            (note,) = data.census().notes
            assert note.startswith(f"{data.path}: image 'cut.png': is broken; ")
            assert note.endswith(": samples of such images will be skipped")
        else:
            with pytest.raises(FaultsError, match=r"records\.json: record cut: image 'cut\.png': is broken; "):
                data.census()


def test_a_second_census_opens_no_image_again(
    dataset: Write, record: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(folder / "red.png", (0, 0))
    data = dataset([record("<image>", "b", image="red.png"), record("a", "b")])
    first = data.census()
    monkeypatch.setattr(ImageFolder, "open", None)
    assert data.census() == first


@pytest.mark.parametrize("count", [1, 1999, 2000, 4001])
def test_the_census_counts_the_words_of_some_records_evenly_spread(count: int, dataset: Write, record: Make) -> None:
    words = dataset([record("one " * place, "two") for place in range(count)]).census().words
    assert count / 3 < len(words) <= 2000
    places = [-1 - length for length in words]
    assert len({second - first for first, second in pairwise(places)}) <= 1
    assert places[0] == 0


def test_the_digest_is_that_of_the_records(tmp_path: Path, record: Make) -> None:
    def census(name: str, records: Sequence[object]) -> Census:
        (tmp_path / name).write_text(json.dumps(records))
        return LlavaJson(path=str(tmp_path / name)).census()

    first = census("a.json", [record("a", "b")])
    assert census("b.json", [record("a", "b")]) == first
    assert census("a.json", [record("a", "c")]).digest != first.digest
    assert census("a.json", [record("a", "b"), record("a", "b")]).digest != first.digest


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"{", r"is not JSON; Expecting property name"),
        (b"", r"is not JSON; Expecting value"),
        (b"\xff\xfe\xfd", r"is not JSON; 'utf-16"),
        (b'["\xe9"]', r"is not JSON; 'utf-8' codec can't decode"),
        (b"{}", r"must be a list of records; it is dict"),
        (b'"x"', r"must be a list of records; it is str"),
        (b"null", r"must be a list of records; it is NoneType"),
        (b"[]", r"holds no record$"),
    ],
)
def test_a_file_that_is_no_list_of_records_is_refused(raw: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    path.write_bytes(raw)
    for use in (LlavaJson(path=str(path)).census, LlavaJson(path=str(path)).build):
        with pytest.raises(DataError, match=f"^{path}: {what}"):
            use()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "none.json", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(DataError, match=f"^{path}: cannot be read; {what}$"):
            LlavaJson(path=str(path)).census()


@pytest.mark.parametrize(
    ("held", "what"), [({"other": []}, "NoneType"), ({"rows": {}}, "dict"), ([], "NoneType"), ("rows", "NoneType")]
)
def test_a_key_must_lead_to_a_list(held: object, what: str, dataset: Write) -> None:
    with pytest.raises(
        DataError,
        match=rf"records.json: rows: must be a list of records; it is {what}(; its key 'other' holds one: .*)?$",
    ):
        dataset(held, key="rows").census()


def test_a_key_leads_to_the_records(dataset: Write, record: Make) -> None:
    data = dataset({"about": "x", "rows": [record("a", "b")]}, key="rows")
    assert (data.census().samples, data.build()[0].turns[1].text) == (1, "b")


def test_all_faults_are_told_at_once_each_with_its_record(dataset: Write, record: Make, folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"nothing")
    records = [
        record("a", "b", id="fine"),
        record("a", id="odd"),
        "no record",
        record("<image>", "b", id="lost", image="lost.png"),
        record("<image>", "b", image="bad.png"),
        record("<image>", "b", image="../red.png"),
        record("<image>", "b", image="red.png"),
    ]
    data = dataset(records)
    with pytest.raises(FaultsError) as told:
        data.census()
    assert str(told.value).splitlines() == [
        f"{data.path}: record odd: conversations: human and gpt must alternate, and gpt must speak last",
        f"{data.path}: record 2: must be an object; it is str",
        f"{data.path}: record lost: image 'lost.png': there is no such file in '{folder}'",
        f"{data.path}: record 4: image 'bad.png': cannot be read; cannot identify image file",
        f"{data.path}: record 5: image '../red.png': leaves the folder '{folder}'",
    ]


@pytest.mark.parametrize("unreadable", ["stop", "skip"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (7, "record 1: must be an object; it is int"),
        ({"id": "a"}, "record a: conversations: must be a list of turns; it is missing"),
    ],
)
def test_a_record_at_fault_is_told_where_nobody_counted_the_data_before(
    given: object, told: str, unreadable: str, dataset: Write, record: Make
) -> None:
    data = dataset([record("one", "two"), given], unreadable=unreadable)
    samples = data.build()
    assert samples[0].id == "0"
    with pytest.raises(DataError, match=f"^{re.escape(data.path)}: {told}$"):
        samples[1]


@pytest.mark.parametrize("count", [20, 21, 50])
def test_from_the_twenty_first_on_faults_are_counted(count: int, dataset: Write) -> None:
    data = dataset([None] * count)
    with pytest.raises(FaultsError) as told:
        data.census()
    lines = str(told.value).splitlines()
    assert lines[19] == f"{data.path}: record 19: must be an object; it is NoneType"
    assert lines[20:] == ([f"{data.path}: {count - 20} faults more"] if count > 20 else [])


def test_links_and_sizes_are_judged_as_the_settings_say(
    dataset: Write, record: Make, folder: Path, tmp_path: Path, declare: Callable[[str, int, int], None]
) -> None:
    (folder / "red.png").rename(tmp_path / "red.png")
    (folder / "red.png").symlink_to(tmp_path / "red.png")
    linked = [record("<image>", "x", image="red.png")]
    with pytest.raises(FaultsError, match=r"record 0: image 'red.png': is a link that leaves the folder"):
        dataset(linked).census()
    assert dataset(linked, follow_links=True).census().images == 1
    declare("long.png", 16000, 1)
    long = [record("<image>", "x", image="long.png")]
    with pytest.raises(FaultsError, match=f"16000 x 1 is too large; a square may have {LARGEST_IMAGE} pixels$"):
        dataset(long).census()
    assert dataset(long, max_pixels=16000**2).census().images == 1
    with pytest.raises(ValueError, match="'max_pixels' must be > 0: 0"):
        LlavaJson(path="x", max_pixels=0)


def test_images_are_read_when_they_are_asked_for(dataset: Write, record: Make, folder: Path) -> None:
    data = dataset([record("<image>", "x", image="red.png"), record("a", "b")])
    samples = data.build()
    (folder / "red.png").unlink()
    assert samples[1].image is None
    with pytest.raises(
        DataError, match=rf"^{data.path}: record 0: image 'red.png': there is no such file in '{folder}'$"
    ):
        samples[0]


def test_a_body_cut_off_passes_the_census_and_stops_the_run(dataset: Write, record: Make) -> None:
    data = dataset([record("<image>", "x", id="half", image="cut.png")])
    assert data.census().images == 1
    with pytest.raises(DataError, match=rf"^{data.path}: record half: image 'cut.png': is broken; image file is tr"):
        data.build()[0]


def test_the_next_readable_sample_stands_in_and_each_one_skipped_is_named(
    dataset: Write, record: Make, caplog: pytest.LogCaptureFixture
) -> None:
    records = [record("<image>", "x", image=image) for image in ("blue.png", "cut.png", "cut.png")]
    records[1]["id"] = "half"
    samples = dataset(records, unreadable="skip").build()
    with caplog.at_level(logging.WARNING, logger="remgcl"):
        read = [(sample.id, sample.stands_in_for) for sample in samples]
    assert read == [("0", 0), ("0", 2), ("0", 1)]
    assert [message.partition(": is broken")[0] for message in caplog.messages] == [
        f"record {name} is skipped: image 'cut.png'" for name in ("half", "2", "2")
    ]
    assert {entry.levelname for entry in caplog.records} == {"WARNING"}


def test_a_text_can_stand_in_for_an_image(dataset: Write, record: Make) -> None:
    samples = dataset([record("<image>", "x", image="cut.png"), record("a", "b")], unreadable="skip").build()
    assert (samples[0].id, samples[0].image, samples[0].stands_in_for) == ("1", None, 1)


def test_skipping_ends_where_no_image_is_readable(dataset: Write, record: Make) -> None:
    data = dataset([record("<image>", "x", image="cut.png")] * 3, unreadable="skip")
    with pytest.raises(DataError, match=f"^{data.path}: no record has a readable image$"):
        data.build()[1]


@pytest.mark.parametrize("index", [-1, 2, 100])
def test_there_is_nothing_beyond_the_last_sample(index: int, dataset: Write, record: Make) -> None:
    samples = dataset([record("a", "b")] * 2).build()
    with pytest.raises(IndexError, match=str(index)):
        samples[index]
    assert [sample.id for sample in samples] == ["0", "1"]


def test_samples_go_to_another_process(dataset: Write, record: Make) -> None:
    samples = pickle.loads(pickle.dumps(dataset([record("<image>", "x", image="red.png")]).build()))  # noqa: S301 - ours
    assert samples[0].image.size == (6, 4)


def test_a_sample_carries_the_digest_of_its_image_file(dataset: Write, record: Make, folder: Path) -> None:
    records = [record("<image>", "x", image=name) for name in ("red.png", "cut.png", "blue.png")]
    samples = dataset([*records, record("a", "b")], unreadable="skip").build()
    red, blue = (
        hashlib.blake2b((folder / name).read_bytes(), digest_size=16).hexdigest() for name in ("red.png", "blue.png")
    )
    assert [sample.content for sample in (samples[place] for place in range(4))] == [red, blue, blue, ""]
