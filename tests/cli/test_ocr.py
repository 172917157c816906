"""``remgcl ocr``: a folder of images or a recipe in, a cache out, and a few lines told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import OcrEngine
from remgcl.core.ocr.cache import OcrCache

Call = Callable[..., Any]
MadeUp = Callable[..., OcrEngine]


@pytest.fixture
def call(remgcl: Call, made_up: MadeUp, tmp_path: Path) -> Call:
    """Call the command with the made-up engine, one process and a folder for the cache."""
    assert made_up
    return lambda *given: remgcl("ocr", "--engine=made-up", "--workers=1", f"--out={tmp_path / 'out'}", *given)


def test_a_folder_is_recognised_and_the_outcome_told(call: Call, folder: Path, tmp_path: Path) -> None:
    ended = call(folder)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [line.rpartition("  ")[0] for line in lines[:5]] == [
        "read  1/3",
        "read  2/3",
        "read  3/3",
        "recognised  1/2",
        "recognised  2/2",
    ]
    assert all(line.endswith(" images/s") for line in lines[:5])
    assert lines[5].startswith("unreadable: image 'cut.png': is broken; image file is truncated")
    assert lines[6].startswith("3 images, 2 different: 0 found in the cache, 2 recognised, 1 unreadable; 2 regions, ")
    assert lines[6].endswith(" images/s")
    assert len(OcrCache.open(tmp_path / "out")) == 2
    again = call(folder)
    assert (
        again.out.splitlines()[-1]
        == "3 images, 2 different: 2 found in the cache, 0 recognised, 1 unreadable; 0 regions"
    )


def test_an_image_file_is_recognised(call: Call, folder: Path, tmp_path: Path) -> None:
    assert "1 images, 1 different: 0 found in the cache, 1 recognised" in call(folder / "red.png").out
    (name,) = OcrCache.open(tmp_path / "out")._table.column("name").to_pylist()
    assert name == "red.png"


def test_many_images_are_told_in_a_few_lines(call: Call, recipe: Path) -> None:
    lines = call(recipe, "--set=stages.pretrain.data.samples=94").out.splitlines()
    assert len([line for line in lines if line.startswith("read")]) == 10
    assert lines[-1].startswith(
        "100 images, 100 different: 0 found in the cache, 100 recognised, 0 unreadable; 100 regions, "
    )


def test_a_bar_is_drawn_on_a_terminal(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "━" in call(folder).out


def test_settings_of_the_engine_are_set(call: Call, folder: Path, tmp_path: Path) -> None:
    assert call(folder / "red.png", "--engine-set=unit=blue").code == 0
    cache = OcrCache.open(tmp_path / "out")
    assert cache.origin.settings["unit"] == "blue"
    (regions,) = cache._table.column("regions").to_pylist()
    assert regions[0]["text"] == "255 blue"
    refused = call(folder)
    assert refused.code == 2
    assert refused.err.startswith(f"error: {tmp_path}/out: is a cache made by made-up (made-up 1) with dies = -1")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (
            ["--engine=made-down"],
            "ocr_engine.use: no part 'made-down' among the ocr_engines; did you mean 'made-up'?",
        ),
        (["--engine-set=unit=3"], "--engine-set unit=3: ocr_engine.unit: must be a string; it is 3"),
        (["--engine-set=unity=a"], "--engine-set unity=a: ocr_engine.unity: is not a key here; did you mean 'unit'?"),
        (["--engine-set=unit"], "--engine-set: unit: is not key=value"),
        (["--set=seed=3"], "--set seed=3: sets a key of a recipe; '{folder}' is not a recipe"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    given: list[str], what: str, call: Call, folder: Path, tmp_path: Path
) -> None:
    ended = call(folder, *given)
    assert (ended.code, ended.err) == (2, f"error: {what.format(folder=folder)}\n")
    assert not (tmp_path / "out").exists()


def test_no_image_leaves_no_cache(call: Call, tmp_path: Path) -> None:
    ended = call(tmp_path / "lost")
    assert ended.code == 2
    assert ended.err.startswith(f"error: {tmp_path}/lost: there is no such file or folder; images end in ")
    assert not (tmp_path / "out").exists()


def test_two_do_not_recognise_the_same_images_for_one_cache(call: Call, folder: Path, tmp_path: Path) -> None:
    from remgcl.core.ocr.writer import alone

    with alone(tmp_path / "out"):
        ended = call(folder)
    assert ended.code == 2
    assert "another process writes this cache; wait for its end, or name another folder" in ended.err
    assert call(folder).code == 0


def test_an_interruption_says_that_the_command_resumes(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("remgcl.core.ocr.recognise.recognise", interrupted)
    ended = call(folder)
    assert (ended.code, ended.err) == (
        2,
        f"error: {tmp_path / 'out'}: interrupted; recognised images are kept: run the command again to resume\n",
    )


def test_rapidocr_is_the_default_engine(remgcl: Call, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    assert remgcl("ocr", folder, f"--out={tmp_path / 'out'}").code == 0
    assert OcrCache.open(tmp_path / "out").origin.engine == "rapidocr"
