"""Text found by many processes: each image once, nothing lost by a kill, nothing stopped by a bad image."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from remgcl import Engine, ImageFolder, OcrEngine, RunError
from remgcl.core.files.images import pixel_digest
from remgcl.core.ocr.cache import OcrCache, Origin
from remgcl.core.ocr.recognise import SHARD_IMAGES, Report, recognise
from remgcl.core.ocr.sources import DataSource, files_of
from remgcl.core.ocr.writer import OcrWriter
from remgcl.plugins.datasets import LlavaJson, Synthetic

MadeUp: TypeAlias = Callable[..., OcrEngine]
Paint: TypeAlias = Callable[..., Path]
ORIGIN = Origin(engine="made-up", version="made-up 1")


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Write images of one colour each, by their red, and give their folder."""

    def paint(*reds: int, folder: str = "images") -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        for red in reds:
            Image.new("RGB", (3, 2), (red, 0, 0)).save(tmp_path / folder / f"{red:03}.png")
        return tmp_path / folder

    return paint


def unseen(_: str, __: int, results: Iterable[Any]) -> Iterable[Any]:
    """Show nothing."""
    return results


def run(engine: OcrEngine, out: Path, *sources: Any, show: Any = unseen, workers: int = 1) -> Report:  # noqa: ANN401 - any source
    """Recognise, and say what came of it."""
    return recognise(sources, engine, OcrWriter(out, ORIGIN), workers=workers, show=show)


def held(out: Path, folder: Path) -> dict[str, list[str]]:
    """Give the texts of each image of a folder that a cache holds."""
    cache = OcrCache.open(out)
    files = {path.name: cache.regions(ImageFolder(path=folder).load(path.name)[1]) for path in folder.iterdir()}
    return {name: [region.text for region in regions] for name, regions in files.items() if regions is not None}


def test_each_different_image_is_recognised_once(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    folder = paint(1, 2, 3)
    (folder / "again.png").write_bytes((folder / "002.png").read_bytes())
    report = run(made_up(), tmp_path / "out", *files_of(folder), workers=2)
    assert (report.images, report.different, report.found, report.recognised) == (4, 3, 0, 3)
    assert (report.regions, report.unreadable) == (3, [])
    assert report.seconds > 0
    assert len(OcrCache.open(tmp_path / "out")) == 3
    assert held(tmp_path / "out", folder) == {
        "001.png": ["1 red"],
        "002.png": ["2 red"],
        "003.png": ["3 red"],
        "again.png": ["2 red"],
    }


def test_what_the_cache_holds_is_not_recognised_again(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    """Under another name it is the same image; of an engine that dies of it, it is not asked."""
    run(made_up(), tmp_path / "out", *files_of(paint(1, 2)))
    folder = paint(3)
    (folder / "001.png").rename(folder / "other.jpg")
    report = run(made_up(dies=1), tmp_path / "out", *files_of(folder))
    assert (report.images, report.found, report.recognised) == (3, 2, 1)
    report = run(made_up(dies=3), tmp_path / "out", *files_of(folder))
    assert (report.images, report.different, report.found, report.recognised) == (3, 3, 3, 0)


def test_an_unreadable_image_is_named_and_the_others_go_on(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    folder = paint(1, 2, 3)
    whole = (folder / "002.png").read_bytes()
    (folder / "002.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no picture")
    report = run(made_up(), tmp_path / "out", *files_of(folder))
    assert (report.images, report.recognised) == (4, 2)
    first, second = sorted(report.unreadable)
    assert first.startswith("image '002.png': ")
    assert second == "image 'text.png': cannot be read; cannot identify image file"


def test_halves_of_surrogate_pairs_are_replaced_and_counted(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    folder = paint(1, 2)
    report = run(made_up(unit="\ud83d"), tmp_path / "out", *files_of(folder))
    assert (report.recognised, report.regions, report.replaced) == (2, 2, 2)
    assert held(tmp_path / "out", folder) == {"001.png": ["1 \ufffd"], "002.png": ["2 \ufffd"]}
    assert run(made_up(), tmp_path / "other", *files_of(folder)).replaced == 0


def test_an_image_that_the_engine_fails_on_is_kept_with_the_reason(
    made_up: MadeUp, paint: Paint, tmp_path: Path
) -> None:
    folder = paint(1, 2, 3)
    report = run(made_up(fails=2), tmp_path / "out", *files_of(folder))
    assert (report.recognised, report.regions) == (2, 2)
    (told,) = report.unreadable
    assert told.startswith(
        "image '002.png': cannot be recognised; ValueError: no red at all; plugin 'made-up' of remgcl-made-up 1.0 "
        "(remgcl_made_up): ocr_engines: raised ValueError in MadeUp.read ("
    )
    assert held(tmp_path / "out", folder)["002.png"] == []
    cache = OcrCache.open(tmp_path / "out")
    rows = cache._table.to_pylist()
    assert sorted((row["name"], row["error"]) for row in rows) == [
        ("001.png", None),
        ("002.png", "ValueError: no red at all"),
        ("003.png", None),
    ]
    assert {(row["width"], row["height"]) for row in rows} == {(3, 2)}


def test_a_file_that_is_damaged_between_the_phases_is_named(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    folder = paint(1, 2)

    def told(name: str, _: int, results: Iterable[Any]) -> Iterator[Any]:
        yield from results
        if name == "read":
            (folder / "001.png").unlink()

    report = run(made_up(), tmp_path / "out", *files_of(folder), show=told)
    assert report.recognised == 1
    assert report.unreadable == [f"image '001.png': there is no such file in '{folder}'"]


def test_a_killed_process_is_an_error_and_what_was_done_stays(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    folder = paint(*range(80))
    with pytest.raises(
        RunError,
        match=r"^a process was killed, perhaps for lack of memory; recognised images are kept: "
        r"run the command again, with fewer --workers$",
    ):
        run(made_up(dies=70), tmp_path / "out", *files_of(folder))
    kept = held(tmp_path / "out", folder)
    assert len(kept) >= SHARD_IMAGES
    assert kept == {f"{red:03}.png": [f"{red} red"] for red in range(len(kept))}
    assert run(made_up(), tmp_path / "out", *files_of(folder)).recognised == 80 - len(kept)


def test_an_interruption_keeps_what_is_done(made_up: MadeUp, paint: Paint, tmp_path: Path) -> None:
    folder = paint(*range(20))

    def told(name: str, _: int, results: Iterable[Any]) -> Iterator[Any]:
        for done, result in enumerate(results):
            if (name, done) == ("recognised", 5):
                raise KeyboardInterrupt
            yield result

    with pytest.raises(KeyboardInterrupt):
        run(made_up(), tmp_path / "out", *files_of(folder), show=told)
    assert len(OcrCache.open(tmp_path / "out")) == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from remgcl.core.files.images import pixel_digest
from remgcl.core.ocr.recognise import recognise
from remgcl.core.ocr.cache import Origin
from remgcl.core.ocr.sources import files_of
from remgcl.core.ocr.writer import OcrWriter
from remgcl_made_up import MadeUp

def told(name, total, results):
    for result in results:
        if list(out.glob("*.arrow")):
            os.kill(os.getpid(), signal.SIGKILL)
        yield result

if __name__ == "__main__":
    folder, out = map(Path, sys.argv[1:])
    writer = OcrWriter(out, Origin(engine="made-up", version="made-up 1"))
    recognise(files_of(folder), MadeUp(), writer, workers=1, show=told)
"""


def test_a_run_that_was_killed_and_gone_on_with_ends_as_one_that_was_not(
    made_up: MadeUp, paint: Paint, tmp_path: Path
) -> None:
    """And its processes end with it: they hold the pipe that this test reads to its end."""
    folder = paint(*range(SHARD_IMAGES + 20))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    out = tmp_path / "out"
    ended = subprocess.run(  # noqa: S603 - ours
        [sys.executable, script, folder, out],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr
    assert len(OcrCache.open(out)) == SHARD_IMAGES
    report = run(made_up(), out, *files_of(folder))
    assert (report.found, report.recognised) == (SHARD_IMAGES, 20)
    run(made_up(), tmp_path / "whole", *files_of(folder), workers=2)
    assert held(out, folder) == held(tmp_path / "whole", folder)
    assert OcrCache.open(out).digest == OcrCache.open(tmp_path / "whole").digest


def test_what_takes_long_is_written_in_between(
    made_up: MadeUp, paint: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remgcl.core.ocr.recognise.SHARD_SECONDS", -1.0)
    run(made_up(), tmp_path / "out", *files_of(paint(1, 2, 3)))
    assert len(OcrCache.open(tmp_path / "out").shards) == 3


def test_images_of_datasets_are_read_as_training_reads_them(made_up: MadeUp, tmp_path: Path) -> None:
    """Drawn images have no file, texts have no image."""
    records = tmp_path / "records.json"
    records.write_text('[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]')
    sources = [DataSource("drawn", Synthetic(samples=3)), DataSource("texts", LlavaJson(path=str(records)))]
    report = run(made_up(), tmp_path / "out", *sources)
    assert (report.images, report.recognised) == (3, 3)
    image = Synthetic(samples=3).build()[1].image
    assert image is not None
    (region,) = OcrCache.open(tmp_path / "out").regions(pixel_digest(image)) or ()
    assert region.text == f"{image.getpixel((0, 0))[0]} red"  # type: ignore[index]


@pytest.mark.filterwarnings("ignore")
def test_a_sample_that_another_stands_in_for_is_unreadable(made_up: MadeUp, folder: Path, tmp_path: Path) -> None:
    said = '"conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "b"}]'
    records = tmp_path / "records.json"
    records.write_text(f'[{{"image": "cut.png", {said}}}, {{"image": "red.png", {said}}}]')
    skip, stop = (LlavaJson(path=str(records), images=str(folder), unreadable=how) for how in ("skip", "stop"))  # type: ignore[arg-type]
    report = run(made_up(), tmp_path / "out", DataSource("stages.a.data", skip))
    assert report.unreadable == ["stages.a.data: sample 0: its image cannot be read; '1' stands in for it"]
    assert (report.images, report.recognised) == (2, 1)
    report = run(made_up(), tmp_path / "out", DataSource("stages.a.data", stop))
    assert report.unreadable[0].startswith(f"{records}: record 0: image 'cut.png': is broken")


def test_an_engine_is_chosen_by_name_and_settings(made_up: MadeUp) -> None:
    assert made_up
    engine, origin = Engine.installed().ocr_engine("made-up", ["unit=blue", "fails=3"])
    assert engine == type(engine)(unit="blue", fails=3)  # type: ignore[call-arg]
    assert origin == Origin(engine="made-up", version="made-up 1", settings={"unit": "blue", "fails": 3, "dies": -1})
