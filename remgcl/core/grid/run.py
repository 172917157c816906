"""Run a grid: each stage as soon as what it starts from is there, and no finished one again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

from attrs import Factory, define

from remgcl.core.engine import Engine
from remgcl.core.errors import RunError
from remgcl.core.grid.folder import GridFolder, UnitFolder
from remgcl.core.grid.plan import GridPlan, Unit
from remgcl.core.grid.progress import GridProgress, Row
from remgcl.core.parts import Submit, Task
from remgcl.core.registry.loading import switched_off

REFRESH = 1.0
"""Seconds between two checks of the folders."""


@define
class Run:
    """A grid that runs.

    Attributes:
        engine: The parts.
        plan: What is trained.
        folder: Where.
        progress: How far it is.
    """

    engine: Engine
    plan: GridPlan
    folder: GridFolder
    progress: GridProgress
    _running: dict[str, _Attempt] = Factory(dict)

    @classmethod
    def of(cls, engine: Engine, plan: GridPlan, folder: GridFolder) -> Run:
        """Prepare to run a grid; nothing is written yet.

        Args:
            engine: The parts.
            plan: What is trained.
            folder: Where.
        """
        return cls(engine, plan, folder, GridProgress(plan, folder))

    def run(self, show: Callable[[list[Row]], None]) -> bool:
        """Train all that is missing.

        Args:
            show: Called now and then with how far each cell is.

        Returns:
            Whether every cell is finished.

        Raises:
            RunError: The grid is being run already, was interrupted, its folder
                cannot be written, or the executor's machines cannot be reached.
                Finished stages stay.
        """
        with self.folder.alone(), _ending():
            self.folder.record(self._described(), self._links())
            left = {digest: unit for digest, unit in self.plan.units.items() if self.progress.results(unit) is None}
            for digest in self.progress.failed.keys() & left.keys():
                del left[digest]  # its record cannot be read, or is another's: training would be refused
            try:
                if left:
                    with self.plan.grid.file.executor.open() as submit:
                        self._train(left, submit, show)
            except KeyboardInterrupt:
                raise RunError(f"grid {self.plan.grid.file.name!r}: interrupted; run it again to resume") from None
            show(self.progress.rows())
        return not self.progress.failed

    def _train(self, left: dict[str, Unit], submit: Submit, show: Callable[[list[Row]], None]) -> None:
        """Hand out stages until none is left that can be trained."""
        while left or self._running:
            self._hand_out(left, submit)
            self.progress.running = {digest for digest, attempt in self._running.items() if self._runs(attempt)}
            show(self.progress.rows())
            if self._running:
                wait([attempt.future for attempt in self._running.values()], REFRESH, FIRST_COMPLETED)
            elif left:
                sleep(REFRESH)  # another process still trains what is next
            for digest in [digest for digest, attempt in self._running.items() if attempt.future.done()]:
                self._judge(self._running.pop(digest))

    def _hand_out(self, left: dict[str, Unit], submit: Submit) -> None:
        """Submit the stages whose start is there; those whose start failed fail too."""
        for digest, unit in list(left.items()):
            folder = self._of(unit)
            if unit.before in self.progress.failed:
                del left[digest]
                self._fail(unit, f"stage {self.plan.units[unit.before].stage!r}, which it starts from, failed")
            elif unit.before not in {*left, *self._running} and not folder.run.busy:
                del left[digest]
                try:
                    self._running[digest] = self._attempt(unit, folder, submit)
                except Exception as error:  # noqa: BLE001 - as in `_judge`
                    self._fail(unit, str(error) or repr(error))

    def _attempt(self, unit: Unit, folder: UnitFolder, submit: Submit) -> _Attempt:
        """Write what a stage needs, and submit it."""
        import tomli_w

        links, before = {}, unit.before
        while before is not None:
            above = self.plan.units[before]
            links[above.stage], before = self._of(above).held.path, above.before
        folder.prepare(tomli_w.dumps(self.engine.table(unit.recipe)), links)
        off = [word for name in switched_off() for word in ("--without", name)]  # a remote task has no variable of ours
        command = sys.executable, "-m", "remgcl", *off, "run", str(folder.run.recipe), "--folder", str(folder.run.path)
        begun = folder.log.stat().st_size if folder.log.exists() else 0
        task = Task(
            name=f"{self.plan.grid.file.name} {unit.stage} {unit.digest}",
            command=command,
            folder=Path.cwd(),
            log=folder.log.absolute(),
            processes=unit.processes,
        )
        return _Attempt(unit, submit(task), begun)

    def _runs(self, attempt: _Attempt) -> bool:
        """Return whether an attempt runs, by what its executor or else its folder says."""
        return attempt.future.running() or self._of(attempt.unit).run.busy

    def _judge(self, attempt: _Attempt) -> None:
        """Look at what an attempt left; only a finished stage counts."""
        unit = attempt.unit
        try:
            code = attempt.future.result()
            if self.progress.results(unit) is None:
                self._fail(unit, _complaint(self._of(unit).log, attempt.begun, code))
        except CancelledError:
            self._fail(unit, "was cancelled")
        except Exception as error:  # noqa: BLE001 - an executor may raise anything, and other stages continue
            self._fail(unit, str(error) or repr(error))

    def _fail(self, unit: Unit, error: str) -> None:
        self.progress.failed[unit.digest] = error
        self._of(unit).fail(error)

    def _of(self, unit: Unit) -> UnitFolder:
        return self.folder.unit(unit.digest, unit.stage)

    def _links(self) -> dict[tuple[str, int], Path]:
        """Name the folder of the last stage of each cell with each seed."""
        members = self.plan.members
        return {(each.cell.label, each.seed): self._of(self.plan.units[each.last]).held.path for each in members}

    def _described(self) -> dict[str, Any]:
        """Describe the cells, for people and for reports."""
        plan = self.plan
        return {
            "name": plan.grid.file.name,
            "file": str(plan.grid.path),
            "metrics": list(plan.grid.file.metrics),
            "axes": {axis.label: [choice.label for choice in axis.choices] for axis in plan.grid.axes},
            "baseline": plan.grid.baseline,
            "cells": [
                {
                    "label": member.cell.label,
                    "settings": dict(member.cell.settings),
                    "seed": member.seed,
                    "stages": dict(member.units),
                }
                for member in plan.members
            ],
        }


@define
class _Attempt:
    """A stage that was submitted to an executor, and the length of its log then."""

    unit: Unit
    future: Future[int]
    begun: int


def _complaint(log: Path, begun: int, code: int) -> str:
    """Find why a training failed in what it printed, or else say how it ended."""
    try:
        with log.open("rb") as file:
            file.seek(begun)
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    ended = f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return "\n".join(errors) or f"{ended}; {last}"


@contextmanager
def _ending() -> Iterator[None]:
    """Let SIGTERM and the end of the terminal end a grid as Ctrl-C does."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    kinds = [kind for kind in signal.Signals if kind.name in {"SIGTERM", "SIGHUP"}]  # not every system has both
    before = {kind: handler for kind in kinds if (handler := signal.getsignal(kind)) != signal.SIG_IGN}  # as nohup says
    try:
        for kind in before:
            signal.signal(kind, end)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
