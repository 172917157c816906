"""Tasks that run a program, and ways to watch what comes of them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from remgcl import Task

BEGINS = """
import os, pathlib, signal, subprocess, sys, time
def stop(*_):
    print("kept", flush=True)
    sys.exit(2)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(NAME + ".pid").write_text(str(os.getpid()))
"""


class Program(Protocol):
    """Make a task of a program."""

    def __call__(self, name: str, program: str = ..., processes: int = ...) -> Task:
        """Make it; by itself, the program runs until it is told to stop."""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A task of a program that writes its number of process to `NAME.pid`, and prints to `NAME.txt`."""

    def make(name: str, program: str = "while True:\n    signal.pause()", processes: int = 1) -> Task:
        command = (sys.executable, "-c", (BEGINS + program).replace("NAME", repr(name)))
        return Task(name=name, command=command, folder=tmp_path, log=tmp_path / f"{name}.txt", processes=processes)

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until something holds, at most five minutes: a busy machine is no fault."""

    def wait(holds: Callable[[], object]) -> None:
        end = time.monotonic() + 300
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.01)

    return wait


@pytest.fixture
def lives(tmp_path: Path) -> Callable[[str], bool]:
    """Tell whether a program has begun and has not ended."""

    def tell(name: str) -> bool:
        file = tmp_path / f"{name}.pid"
        text = file.read_text() if file.exists() else ""
        state = Path(f"/proc/{text}/stat")
        try:
            return bool(text) and state.read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return tell
