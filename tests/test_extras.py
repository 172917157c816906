"""What works without the extras, and how a missing one is named."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import Engine

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LIBRARIES = {"matplotlib", "scipy", "tensorboard", "wandb"}
"""What is imported beside the libraries of parts."""
THERE = {"psutil", "yaml"}
"""What accelerate and huggingface_hub bring to every installation."""

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))  # as if they were not installed
from remgcl.cli import main
main()
"""

RECIPE = """
name = "plain"
vision_tower = { use = "tiny", size = [32, 32], channels = [4, 8], strides = [[4, 4], [4, 4]] }
projector = "linear"
backbone = { use = "tiny", width = 16, layers = 1, heads = 2, mlp = 24, max_length = 128 }
runner = { use = "local", cpu = true }

[stages.tune]
template = "plain"
train = ["projector"]
max_length = 128
batch_size = 2
data = { use = "synthetic", samples = 4, size = 32, font = [8, 10] }
losses = { global = {} }
validation = { data = { use = "synthetic", samples = 2, size = 32, font = [8, 10] }, max_new_tokens = 2 }
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def plainly(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Run a command as if no extra were installed."""
    libraries = {library for entry in engine.registry for library in entry.part.requires} | LIBRARIES
    absent = ",".join(sorted(libraries - THERE))
    folder = tmp_path_factory.mktemp("plain")
    (folder / "plain.toml").write_text(RECIPE)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT, absent, *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own

    return run


def test_parts_whose_library_is_missing_are_shown_with_the_command_that_brings_it(
    plainly: Command, engine: Engine
) -> None:
    ended = plainly("parts")
    assert (ended.returncode, ended.stderr) == (0, "")
    sections = dict(re.findall(r"^  (\S+)  \(.*\)\n((?:      .*\n)*)", ended.stdout, re.MULTILINE))
    for entry in engine.registry:
        for library, install in entry.part.requires.items():
            what = f"needs {library}, which is not installed; install it with: pip install '{install}'"
            assert (what in sections[entry.name]) == (library not in THERE), entry.name
    assert "not installed" not in sections["tiny"]
    told = plainly("parts", "vision_towers.timm").stdout
    assert "needs timm, which is not installed; install it with: pip install 'remgcl[timm]'\n" in told


def test_a_recipe_without_extras_is_checked_and_trained_without_them(plainly: Command) -> None:
    assert plainly("check", "plain.toml").stderr == ""
    ended = plainly("run", "plain.toml", "--folder", "run")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_all_that_is_missing_is_told_at_once_by_key_and_command(plainly: Command) -> None:
    overrides = ["vision_tower={use='timm', model='x'}", "runner.use=deepspeed", "stages.tune.data.use=llava_json"]
    words = [word for each in (*overrides, "stages.tune.data.path=none.json") for word in ("--set", each)]
    ended = plainly("check", "plain.toml", *words)
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: plain.toml: vision_tower: needs timm, which is not installed; "
        "install it with: pip install 'remgcl[timm]'\n"
        "error: plain.toml: runner: needs deepspeed, which is not installed; "
        "install it with: pip install 'remgcl[deepspeed]'\n"
        "error: none.json: cannot be read; no such file or directory\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["ocr", ".", "--engine", "rapidocr", "--out", "cache"],
            r"engine: needs rapidocr, .* pip install 'remgcl\[ocr\]'",
        ),
        (["grid", "report", "grid.toml"], r"remgcl grid report: needs matplotlib, .* pip install 'remgcl\[report\]'"),
        (["inspect", "plain.toml", "--set", "vision_tower={use='open_clip', model='x'}"], r"remgcl\[open-clip\]'"),
        (["check", "plain.toml", "--set", "runner.trackers=['tensorboard']"], r"remgcl\[tensorboard\]'"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_command_whose_library_is_missing_ends_with_the_command_that_brings_it(
    plainly: Command, words: list[str], told: str
) -> None:
    ended = plainly(*words)
    assert ended.returncode == 2
    assert re.search(told, ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_extra_that_a_part_names_is_there(engine: Engine) -> None:
    named = {install for entry in engine.registry for install in entry.part.requires.values()}
    assert named <= {f"remgcl[{extra}]" for extra in EXTRAS}


APART = {
    "deepspeed": "compiles operators",
    "flash-attn": "needs a GPU",
    "lmms-eval": "pins wandb",
    "paddleocr": "brings another framework",
    "qlora": "needs a GPU",
    "xformers": "pins torch",
}
"""Extras that `all` leaves out, and why."""


def test_all_holds_every_extra_but_those_that_are_left_out_for_a_reason() -> None:
    held = set(re.fullmatch(r"remgcl\[(.+)\]", *EXTRAS["all"])[1].split(","))  # type: ignore[index]
    assert held == set(EXTRAS) - set(APART) - {"all"}


def test_the_tests_have_every_library_of_all() -> None:
    extras = EXTRAS.keys() - {*APART, "all", "wandb"}  # a module of a test stands for wandb
    held = {line for extra in extras for line in EXTRAS[extra] if not line.startswith("remgcl[")}
    assert held - set(PROJECT["dependency-groups"]["test"]) == set()
