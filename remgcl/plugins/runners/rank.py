"""One process of a training with DeepSpeed; its launcher starts it."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from remgcl import Engine, RemgclError, RunFolder, culprit
from remgcl.plugins.runners.deepspeed import DeepSpeed

SILENT = 75
"""Exit code of a process that gave no sign of life."""


class Watchdog:
    """Ends this process when it gives no sign of life: another rank may never answer."""

    def __init__(self, runner: DeepSpeed, error: Path, rank: int) -> None:
        """Begin to watch.

        Args:
            runner: Says how long to wait.
            error: Where to tell what happened.
            rank: This process.
        """
        self._runner, self._error, self._rank = runner, error, rank
        self._step = 0
        self._limit = runner.first_timeout
        self._alive = time.monotonic()
        self._paused = 1
        threading.Thread(target=self._watch, daemon=True).start()

    def beat(self, step: int) -> None:
        """Give a sign of life.

        Args:
            step: Optimizer steps done so far.
        """
        if step > self._step:
            self._limit = self._runner.timeout
        self._step, self._alive = step, time.monotonic()

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Watch while something is done that should not take long."""
        self._alive = time.monotonic()
        self._paused -= 1
        try:
            yield
        finally:
            self._paused += 1

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Do not watch while something is done that may take long."""
        self._paused += 1
        try:
            yield
        finally:
            self._alive = time.monotonic()
            self._paused -= 1

    def _watch(self) -> None:
        while True:
            time.sleep(min(1.0, self._limit / 4))
            if not self._paused and time.monotonic() - self._alive > self._limit:
                told = f"no sign of life for {self._limit:g} s at step {self._step}; another rank may have failed"
                self._error.write_text(told, encoding="utf-8")
                os._exit(SILENT)


def main() -> None:
    """Train a stage as one of several processes."""
    run, stage = sys.argv[1:]
    rank = int(os.environ["RANK"])
    folder = RunFolder(Path(run))
    told = folder.stage(stage).path / "ranks"
    pid_file = told / f"rank-{rank}.pid"
    pid_file.write_text(str(os.getpid()))
    error_file = told / f"rank-{rank}.error"
    console = Console(soft_wrap=True, highlight=False, quiet=rank != 0)
    try:
        engine = Engine.installed()
        recipe = engine.read(folder.recipe)
        from remgcl.plugins.runners.deepspeed_trainer import train_rank

        train_rank(engine.job(recipe, stage, folder, console), Watchdog(recipe.runner, error_file, rank))  # type: ignore[arg-type]
    except RemgclError as error:
        error_file.write_text(_told(str(error), error), encoding="utf-8")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - told by its rank; the traceback is for the log
        traceback.print_exc()
        error_file.write_text(_told(f"{type(error).__name__}: {error}", error), encoding="utf-8")
        sys.exit(1)
    finally:
        pid_file.unlink(missing_ok=True)  # what is left tells of a rank that was killed


def _told(text: str, error: Exception) -> str:
    """Add the plugin of a third party that an error came out of, if it did."""
    return "\n".join(filter(None, [text, culprit(error)]))


if __name__ == "__main__":
    main()
