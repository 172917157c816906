"""Several processes that answer the parts of one question file, and their answers joined in order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import sleep

from remgcl.core.errors import RequestError, RunError
from remgcl.core.files.whole import write, writing

PAUSE = 0.3
"""Seconds between two looks at processes."""


def parsed(part: str | None) -> tuple[int, int]:
    """Parse ``--part`` into the part's number and the number of parts.

    Args:
        part: ``I/N``, from ``1/N``; None means the whole file.

    Raises:
        RequestError: It has another form.
    """
    if part is None:
        return 1, 1
    which, _, parts = part.partition("/")
    if not (which.isdecimal() and parts.isdecimal() and 1 <= int(which) <= int(parts)):
        raise RequestError(f"--part: must be I/N with I from 1 to N, such as 2/8; it is {part!r}")
    return int(which), int(parts)


def answer_in_parts(out: Path, processes: int, arguments: Sequence[str], *, whole: bool) -> None:
    """Run the same command in several processes, one for each part, and join their answers.

    Each process sees one GPU, if there are any. The parts' files stay until all have ended, so that the same command
    resumes each of them.

    Args:
        out: The file for the joined answers.
        processes: Number of processes.
        arguments: The arguments of the command.
        whole: Whether ``--part`` is absent.

    Raises:
        RequestError: ``--part`` is given as well.
        RunError: A process failed.
    """
    if not whole:
        raise RequestError("--part: cannot be used with --processes, which creates its own parts")
    files = [out.with_name(f"{out.name}.{part}-of-{processes}") for part in range(1, processes + 1)]
    own = [
        ["--processes", "1", "--part", f"{part}/{processes}", "--out", str(file)] for part, file in enumerate(files, 1)
    ]
    codes = run_all([[*arguments, *each] for each in own])  # the last of a repeated option counts
    failed = [str(place + 1) for place, code in enumerate(codes) if code]
    if failed:
        raise RunError(f"{out}: parts {', '.join(failed)} failed; the same command continues all of them")
    with writing(out):
        write(out, b"".join(file.read_bytes() for file in files if file.exists()))
        for file in files:
            file.unlink(missing_ok=True)
    sys.stdout.write(f"the answers of {processes} processes are in {out}\n")


def run_all(commands: Sequence[Sequence[str]], watch: Callable[[], None] | None = None) -> list[int]:
    """Run commands of this program side by side, each with a GPU of its own if there are any.

    Args:
        commands: The arguments of each.
        watch: Is called now and then while they run.

    Returns:
        Their exit codes.
    """
    import torch

    gpus = torch.cuda.device_count()
    started = []
    for place, arguments in enumerate(commands):
        seen = {"CUDA_VISIBLE_DEVICES": str(place % gpus)} if gpus else {}
        command = [sys.executable, "-m", "remgcl", *arguments]
        started.append(subprocess.Popen(command, env=os.environ | seen, stdout=subprocess.DEVNULL))  # noqa: S603 - our own command
    try:
        while watch is not None and any(process.poll() is None for process in started):
            watch()
            sleep(PAUSE)
        return [process.wait() for process in started]
    except BaseException:
        for process in started:
            process.terminate()
        raise
