"""What commands print to: encodings that lack letters, outputs that are full or gone, pipes of no width."""

import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from remgcl.cli.output import Lasting, console, lasting

Call = Callable[..., Any]


class Full(StringIO):
    """A stream that takes nothing."""

    def __init__(self, number: int) -> None:
        """Refuse with an error of the system."""
        super().__init__()
        self.number = number

    def write(self, _: str) -> int:
        """Refuse."""
        raise OSError(self.number, os.strerror(self.number))

    def fileno(self) -> int:
        """Give a handle that may be lost."""
        return os.open(os.devnull, os.O_WRONLY)


@pytest.mark.parametrize("number", [28, 32, 5])
def test_a_stream_that_takes_no_more_is_no_end_of_what_prints_to_it(number: int) -> None:
    stream = lasting(Full(number))
    made = console(stream)
    made.print("a")
    made.print("b")
    stream.flush()


def test_another_error_of_a_stream_is_raised() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        Lasting(Full(9)).write("a")


def test_a_pipe_is_wide_enough_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console(StringIO()).width == 240
    monkeypatch.setenv("COLUMNS", "90")
    assert console(StringIO()).width == 90


def _run(*given: str, out: int | str, **environment: str) -> subprocess.CompletedProcess[str]:
    with open(out, "w") if isinstance(out, str) else os.fdopen(os.dup(out), "w") as stream:  # noqa: PTH123 - a device
        return subprocess.run(  # noqa: S603 - this project
            [sys.executable, "-m", "remgcl", *given],
            stdout=stream,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
            check=False,
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_device_is_an_error_of_a_command_that_only_prints() -> None:
    ended = _run("schema", out="/dev/full")
    assert (ended.returncode, ended.stderr) == (2, "error: the output cannot be written; no space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_device_ends_no_training(recipe: Path) -> None:
    given = ["run", str(recipe), "--set=stages.pretrain.data.samples=8"]
    assert _run(*given, out="/dev/full").returncode == 0
    assert Path("runs/small/tune/stage.json").exists()


def test_letters_that_an_encoding_lacks_are_replaced(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    ended = _run("check", str(recipe), "--set=stages.pretrain.data.samples=8", out=str(out), PYTHONIOENCODING="latin-1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "small, seed 42" in out.read_text(encoding="latin-1")


@pytest.mark.parametrize("given", ["", "  "])
@pytest.mark.parametrize("command", [["run"], ["grid", "run"], ["grid", "report"]])
def test_an_empty_folder_is_refused(remgcl: Call, recipe: Path, command: list[str], given: str) -> None:
    ended = remgcl(*command, recipe, f"--folder={given}")
    assert ended.code == 2
    assert "is empty; name a folder, or . for this one" in ended.err
    assert not Path("lock").exists()


def test_a_folder_whose_name_is_no_text_is_refused(remgcl: Call, recipe: Path) -> None:
    ended = remgcl("run", recipe, "--folder=a\udce9")
    assert ended.code == 2
    assert "is not UTF-8" in ended.err


def test_a_run_says_where_its_model_is_and_what_to_do_next(remgcl: Call, recipe: Path) -> None:
    ended = remgcl("run", recipe, "--set=stages.pretrain.data.samples=8", "--folder=out")
    assert ended.out.splitlines()[-2:] == ["model: out/tune/model", "ask it with: remgcl ask out IMAGE QUESTION"]


def test_an_option_for_a_stage_that_is_not_there_says_so(remgcl: Call, recipe: Path) -> None:
    ended = remgcl("check", recipe, "--set=stages.tun.epochs=1")
    assert ended.code == 2
    assert ended.err == "error: --set stages.tun.epochs=1: stages.tun: there is no stage 'tun'; did you mean 'tune'?\n"


def test_a_stage_is_not_called_as_the_lock_of_its_run(remgcl: Call, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("[stages.pretrain]", "[stages.lock]").replace('"pretrain"', '"lock"'))
    ended = remgcl("check", recipe)
    assert "stages.lock: is the name of a file or folder in every run folder; take another" in ended.err


def test_a_switched_off_plugin_that_is_not_there_is_met_with_the_nearest(
    remgcl: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMGCL_WITHOUT", "")  # the command sets it; restored afterwards
    assert "there is no plugin 'loses'; did you mean 'remgcl.losses'?" in remgcl("--without=loses", "parts").err
