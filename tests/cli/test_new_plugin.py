"""`remgcl new-plugin`: from nothing to a package."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Remgcl = Callable[..., Any]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_package_and_tells_the_two_commands_that_are_left(remgcl: Remgcl) -> None:
    ended = remgcl("new-plugin", "fresh", "--kind", "loss")
    assert (ended.code, ended.err) == (0, "")
    *wrote, blank, install, run = ended.out.splitlines()
    assert {line.removeprefix("wrote ") for line in wrote} == {
        str(path) for path in Path("remgcl-fresh").rglob("*") if path.is_file()
    }
    assert (blank, install, run) == ("", "pip install -e remgcl-fresh", "remgcl run remgcl-fresh/recipe.toml")


def test_a_folder_can_be_chosen(remgcl: Remgcl) -> None:
    ended = remgcl("new-plugin", "fresh", "--kind", "vision_towers", "--folder", "deep/mine")
    assert ended.code == 0
    assert (Path("deep") / "mine" / "remgcl_fresh.py").exists()
    assert ended.out.endswith("pip install -e deep/mine\nremgcl run deep/mine/recipe.toml\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("fresh", "--kind", "lost"), "error: no kind of part 'lost'; did you mean 'loss'?"),
        (("global", "--kind", "loss"), "error: losses: 'global' is taken by plugin 'remgcl.losses'"),
        (("Mine", "--kind", "loss"), "error: 'Mine' cannot name a package; "),
        (("fresh", "--kind", "loss", "--folder", "."), "error: .: is there already; nothing is overwritten"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    arguments: tuple[str, ...], told: str, remgcl: Remgcl, here: Path
) -> None:
    ended = remgcl("new-plugin", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert re.match(re.escape(told), ended.err)
    assert list(here.iterdir()) == []
