"""A stage trained by several processes: each says why it ended, and an interrupt reaches them all.

The launching process runs `launch_ranks`, each process that it starts enters `as_rank`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import psutil
from attrs import frozen

from remgcl.core.errors import RemgclError, RunError
from remgcl.core.registry.culprit import culprit
from remgcl.core.runs.stage import StageFolder

if TYPE_CHECKING:
    from rich.console import Console

    from remgcl.core.training.job import Job

INTERRUPTED = (signal.SIGINT, signal.SIGTERM)


@frozen
class Rank:
    """One process of a training.

    Attributes:
        number: Its number among all, from 0.
        console: Prints on rank 0 only.
        error: The file that says why the process failed; what is written there
            becomes the error of the run.
    """

    number: int
    console: Console
    error: Path


def launch_ranks(
    job: Job, command: Sequence[str], environment: Mapping[str, str] | None = None, launcher: str = "the launcher"
) -> None:
    """Start the launcher of a stage's processes, and wait until all have ended.

    The first Ctrl-C or SIGTERM goes to rank 0, which lets all ranks save a
    checkpoint and end; the second ends the launcher at once, and so does the
    first if rank 0 does not run below the launcher, as on another machine.

    Args:
        job: The stage.
        command: Program and arguments.
        environment: The variables of the launcher; those of this process without it.
        launcher: What the command is, for errors.

    Raises:
        RunError: A rank failed, and which and why; or the launcher did.
    """
    reports = _folder(job.folder)
    reports.mkdir(exist_ok=True, parents=True)
    for file in reports.glob("rank-*"):
        file.unlink()
    process = subprocess.Popen(list(command), env=dict(environment or os.environ), start_new_session=True)  # noqa: S603 - a runner's own
    with _handing_on(process, reports):
        code = process.wait()
    errors = _errors(reports, failed=code != 0)
    if errors:
        raise RunError("\n".join(errors))
    if code:
        raise RunError(f"stage {job.name!r}: {launcher} ended with code {code}; see its output")


@contextmanager
def as_rank(folder: StageFolder, number: int) -> Iterator[Rank]:
    """Train in this process as one rank; an error is written down for the launching process, and ends this one.

    Args:
        folder: The stage's folder.
        number: The rank.
    """
    from rich.console import Console

    reports = _folder(folder)
    pid, error = reports / f"rank-{number}.pid", reports / f"rank-{number}.error"
    pid.write_text(str(os.getpid()), encoding="utf-8")
    try:
        yield Rank(number, Console(soft_wrap=True, highlight=False, quiet=number != 0), error)
    except RemgclError as failed:
        error.write_text(_worded(str(failed), failed), encoding="utf-8")
        sys.exit(2)
    except Exception as failed:  # noqa: BLE001 - reported by its rank; the traceback is for the log
        traceback.print_exc()
        error.write_text(_worded(f"{type(failed).__name__}: {failed}", failed), encoding="utf-8")
        sys.exit(1)
    finally:
        pid.unlink(missing_ok=True)  # one that is left belongs to a rank that was killed


def _folder(stage: StageFolder) -> Path:
    return stage.path / "ranks"


def _worded(text: str, error: Exception) -> str:
    """Add the plugin of a third party that an error came out of, if it did."""
    return "\n".join(filter(None, [text, culprit(error)]))


@contextmanager
def _handing_on(process: subprocess.Popen[bytes], reports: Path) -> Iterator[None]:
    """Hand signals on: the first to rank 0, the second to the launcher, which ends all."""
    seen: list[int] = []

    def hand_on(kind: int, frame: FrameType | None) -> None:
        del frame
        seen.append(kind)
        pid = reports / "rank-0.pid"
        rank = _below(process.pid, pid) if len(seen) == 1 else None
        if rank is None:
            process.terminate()
            return
        with suppress(psutil.NoSuchProcess):
            rank.terminate()

    before = {kind: signal.signal(kind, hand_on) for kind in INTERRUPTED}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        if process.poll() is None:
            process.terminate()


def _below(launcher: int, file: Path) -> psutil.Process | None:
    """Find the process whose id is in a file, only among those that a launcher started.

    The id may be that of a process on another machine, or may meanwhile belong to a process of somebody else.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    try:
        started = psutil.Process(launcher).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    return next((each for each in started if str(each.pid) == text), None)


def _errors(reports: Path, *, failed: bool) -> list[str]:
    """Read why ranks ended; what several of them say is said once.

    A rank that ends in order removes its process id; one that left it and wrote
    no error was killed.
    """
    by_rank = {_rank(file): file.read_text(encoding="utf-8") for file in reports.glob("rank-*.error")}
    for file in reports.glob("rank-*.pid") if failed else ():
        by_rank.setdefault(
            _rank(file), "ended without a message; it may have been killed, for instance for lack of memory"
        )
    by_text: dict[str, list[str]] = {}
    for rank, text in sorted(by_rank.items()):
        by_text.setdefault(text, []).append(str(rank))
    return [f"rank {', '.join(ranks)}: {text}" for text, ranks in by_text.items()]


def _rank(file: Path) -> int:
    return int(file.stem.partition("-")[2])
