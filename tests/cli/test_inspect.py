"""``remgcl inspect``: one sample as the model gets it, from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Call = Callable[..., Any]

ROOT = Path(__file__).parents[2]


def figures(out: str) -> dict[str, str]:
    """Read the printed figures."""
    pairs = (line.strip().split("  ", 1) for line in out.splitlines())
    return {fact: value.strip() for fact, value in pairs}


def test_a_sample_of_the_quickstart_is_drawn_and_counted(remgcl: Call, tmp_path: Path) -> None:
    picture = tmp_path / "seen.png"
    ended = remgcl("inspect", ROOT / "recipes/quickstart.toml", "--out", picture)
    assert (ended.code, ended.err) == (0, "")
    assert figures(ended.out) == {
        "recipe": "quickstart",
        "stage": "remgcl",
        "sample": "train-0 (index 0 of 9,600)",
        "image": "96 x 96 pixels",
        "tower's input": "96 x 96 pixels (pad)",
        "patches": "12 x 6, 0 of them padding",
        "regions": "1 used, 0 left out",
        "tokens": "101: 72 of the image, 29 of text",
        "learned": "5",
        "kept": "5 of 5",
        "cut": "0",
        "picture": str(picture),
    }
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width > 96 * 9


@pytest.mark.parametrize(
    ("options", "picture", "sample"),
    [
        ([], "inspect-tune-0.png", "train-0 (index 0 of 4)"),
        (["--sample", "3"], "inspect-tune-3.png", "train-3 (index 3 of 4)"),
        (["--stage", "pretrain", "--sample", "7"], "inspect-pretrain-7.png", "train-7 (index 7 of 1,200)"),
        (["--set=stages.tune.data.samples=1"], "inspect-tune-0.png", "train-0 (index 0 of 1)"),
        (["--out", "here.PNG"], "here.PNG", "train-0 (index 0 of 4)"),
    ],
)
def test_the_picture_goes_where_it_is_told_or_is_named_after_stage_and_sample(
    remgcl: Call, recipe: Path, options: list[str], picture: str, sample: str
) -> None:
    ended = remgcl("inspect", recipe, *options)
    assert (ended.code, ended.err) == (0, "")
    assert figures(ended.out)["picture"] == picture
    assert figures(ended.out)["sample"] == sample
    assert {path.name for path in Path().iterdir()} == {"small.toml", picture}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stage", "tunes"], "small.toml: stages: no stage 'tunes'; did you mean 'tune'?"),
        (["--stage", "x"], "small.toml: stages: no stage 'x'; there is 'pretrain', 'tune'"),
        (["--sample", "4"], "stage 'tune': no sample 4; there is 0 to 3"),
        (["--sample", "-1"], "stage 'tune': no sample -1; there is 0 to 3"),
        (["--out", "seen.jpg"], "--out: must be the name of a .png file; it is 'seen.jpg'"),
        (["--out", "no/seen.png"], "no/seen.png: cannot be written; no such file or directory"),
        (
            ["--set=stages.tune.data={ use = 'llava_json', path = 'no.json' }"],
            "no.json: cannot be read; no such file or directory",
        ),
    ],
)
def test_what_cannot_be_shown_is_told_and_nothing_is_written(
    remgcl: Call, recipe: Path, options: list[str], told: str
) -> None:
    ended = remgcl("inspect", recipe, *options)
    assert (ended.code, ended.out, ended.err) == (2, "", f"error: {told}\n")
    assert [path.name for path in Path().iterdir()] == ["small.toml"]


def test_an_unreadable_image_is_told(remgcl: Call, recipe: Path) -> None:
    Path("data.json").write_text(
        '[{"id": "a", "image": "a.png", "conversations":'
        ' [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "b"}]}]'
    )
    Path("a.png").write_text("no image")
    ended = remgcl("inspect", recipe, "--set=stages.tune.data={ use = 'llava_json', path = 'data.json' }")
    assert ended.code == 2
    assert ended.err.startswith("error: data.json: record a: image 'a.png': cannot be read; ")
