"""One process of a training with DeepSpeed; its launcher starts it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remgcl import Engine, RunFolder
from remgcl.plugins.runners.deepspeed import DeepSpeed

SILENT = 75
"""Exit code of a process that made no progress."""


class Watchdog:
    """Ends this process when it makes no progress, as another rank may never respond."""

    def __init__(self, runner: DeepSpeed, error: Path, rank: int) -> None:
        """Begin to watch.

        Args:
            runner: Says how long to wait.
            error: The file for its message.
            rank: This process.
        """
        self._runner, self._error, self._rank = runner, error, rank
        self._step = 0
        self._limit = runner.first_timeout
        self._alive = time.monotonic()
        self._paused = 1
        threading.Thread(target=self._watch, daemon=True).start()

    def beat(self, step: int) -> None:
        """Report progress.

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
                message = f"no progress for {self._limit:g} s at step {self._step}; another rank may have failed"
                self._error.write_text(message, encoding="utf-8")
                os._exit(SILENT)


def main() -> None:
    """Train a stage as one of several processes."""
    from remgcl.training import as_rank

    run, stage = sys.argv[1:]
    folder = RunFolder(Path(run))
    with as_rank(folder.stage(stage), int(os.environ["RANK"])) as rank:
        engine = Engine.installed()
        recipe = engine.read(folder.recipe)
        from remgcl.plugins.runners.deepspeed_trainer import train_rank

        watchdog = Watchdog(recipe.runner, rank.error, rank.number)  # type: ignore[arg-type]
        train_rank(engine.job(recipe, stage, folder, rank.console), watchdog)


if __name__ == "__main__":
    main()
