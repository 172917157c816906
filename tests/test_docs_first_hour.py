"""The page for the first hour, run as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "first-hour.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'```\w+ title="([\w.]+)"\n(.*?)```', PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's files, and its two plugins installed beside them."""
    folder = tmp_path_factory.mktemp("desk")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    _call(folder, sys.executable, "draw.py")
    for line in PAGE.splitlines():
        if line.startswith("remgcl new-plugin"):
            _remgcl(folder, *line.split()[1:])
            package = f"remgcl-{line.split()[2]}"
            assert f"pip install -e {package}" in PAGE
            options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", "plugins")
            _call(folder, sys.executable, "-m", "pip", "install", *options, f"./{package}")
    return folder


def _call(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "plugins"), *sys.path]), "COLUMNS": "200"}
    ended = subprocess.run(  # noqa: S603 - the commands of our own page
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _remgcl(folder: Path, *words: str) -> str:
    return _call(folder, sys.executable, "-m", "remgcl", *words)


@pytest.mark.slow
def test_every_command_of_the_page_works_in_its_order(desk: Path) -> None:
    commands = [line.split()[1:] for line in PAGE.splitlines() if line.startswith("remgcl ")]
    done = [words for words in commands if words[0] not in {"ask", "new-plugin"}]
    assert [words[0] for words in done] == ["check", "inspect", "run", "run", "grid", "grid"]
    for words in done:
        _remgcl(desk, *words)
    assert (desk / "runs" / "mine" / "signs" / "model" / "manifest.json").exists()
    assert (desk / "runs" / "nearer" / "signs" / "metrics.jsonl").read_text().count('"nearer"')


def test_the_recipe_with_a_tower_of_ones_own_passes_check(desk: Path) -> None:
    assert "stripes" in _remgcl(desk, "check", "stripes.toml")


def test_the_page_links_a_word_for_every_file_it_shows() -> None:
    assert set(FILES) == {"draw.py", "mine.toml", "stripes.toml", "grid.toml"}
