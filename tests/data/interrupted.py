"""Interrupts trainings in processes of their own, and tells what came of it, as JSON.

Libraries are imported once; each training is a fork of this process.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers  # noqa: F401 - imported before forking

from remgcl.cli import main
from remgcl.core.files import manifest
from remgcl.core.training import state
from remgcl.core.training.trainer import StageTrainer

PLACES: list[tuple[Any, str]] = [
    (StageTrainer, "training_step"),
    (state, "save"),
    (state, "load"),
    (manifest, "sync"),
    (manifest, "_fingerprint"),
    (manifest, "write"),
    (Path, "rename"),
]
"""Functions that a kill may come before: in the training, and in the midst of a checkpoint."""


def _train(recipe: str, folder: Path, at: Callable[[int, str], None]) -> dict[str, Any]:
    """Train in a fork that calls a function before each of the places; give its end."""
    child = os.fork()
    if child == 0:
        _as_command(recipe, folder, at)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    return {
        "code": -os.WTERMSIG(status) if killed else os.WEXITSTATUS(status),
        "told": folder.with_suffix(".txt").read_text(),
    }


def _as_command(recipe: str, folder: Path, at: Callable[[int, str], None]) -> None:
    """Be the command line, with its output in a file, and end."""
    told = os.open(folder.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(told, 1)
    os.dup2(told, 2)
    passed = [0]

    def watched(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any function
            passed[0] += 1
            at(passed[0], name)
            return function(*args, **kwargs)

        return call

    for owner, name in PLACES:
        setattr(owner, name, watched(getattr(owner, name), name))
    sys.argv = ["remgcl", "run", recipe, "--folder", str(folder)]
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _signal(kind: signal.Signals, place: int) -> Callable[[int, str], None]:
    """Send this process a signal at one of the places."""
    return lambda passed, _: os.kill(os.getpid(), kind) if passed == place else None


def _in_step(kind: signal.Signals, step: int) -> Callable[[int, str], None]:
    """Send this process a signal in the midst of the training."""
    steps = [0]

    def at(_: int, name: str) -> None:
        steps[0] += name == "training_step"
        if steps[0] == step and name == "training_step":
            os.kill(os.getpid(), kind)

    return at


def _nothing(passed: int, name: str) -> None:
    """Let it be."""
    (Path.cwd() / "places").write_text(f"{passed} {name}")


def interrupt(recipe: str, folder: Path) -> dict[str, Any]:
    """Train whole, killed three times, and with each signal."""
    os.chdir(folder)
    whole = _train(recipe, folder / "whole", _nothing)
    places = int((folder / "places").read_text().split()[0])
    kills = [
        _train(recipe, folder / "killed", _signal(signal.SIGKILL, random.Random(seed).randint(2, places // 2)))
        for seed in range(3)
    ]
    kills.append(_train(recipe, folder / "killed", lambda *_: None))
    signals = {}
    for kind in (signal.SIGTERM, signal.SIGINT):
        name = kind.name.lower()
        stopped = _train(recipe, folder / name, _in_step(kind, 4))
        signals[name] = [stopped, _train(recipe, folder / name, lambda *_: None)]
    return {"whole": whole, "killed": kills, **signals}


if __name__ == "__main__":
    ended = interrupt(sys.argv[1], Path(sys.argv[2]))
    (Path(sys.argv[2]) / "ended.json").write_text(json.dumps(ended))
