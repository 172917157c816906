"""A program that runs a command for an owner, and leaves nothing of it behind.

``python supervisor.py PATIENCE CORES FOLDER LOG COMMAND...``. A byte on its standard
input asks the command to stop, with `PATIENCE` seconds to keep a checkpoint; the
end of the input, which comes with the owner's death, kills it at once. It reports
the exit code on its standard output. `CORES` are numbers with commas between, or
empty; a system that cannot bind a process to them leaves it unbound. It imports
nothing of this project.

It is no child of its owner, whose own cleaning up might kill it and forget what
it started; and what it started stays below it, in whatever session it hides.
"""

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

import psutil

PR_SET_CHILD_SUBREAPER = 36
"""See prctl(2): processes whose parent died become children of this one."""

EARLIER = 180
"""Seconds to wait for the processes of an earlier attempt to be gone; NFS frees a dead machine's locks after 90."""


def main() -> None:
    """Run the command, and report its exit code."""
    if os.fork():
        os._exit(0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # for the command too: Slurm sends it to every process of a job
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: None)  # the owner alone says when to stop
    patience, cores, folder, log, *command = sys.argv[1:]
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, map(int, cores.split(",")))
    try:
        with open(log, "ab") as output:  # noqa: PTH123 - a name
            if not _alone(output):
                return
            process = subprocess.Popen(  # noqa: S603 - the command of the task
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        _tell(f"cannot be started; {error}")
        return
    threading.Thread(target=_obey, args=(process, float(patience)), daemon=True).start()
    code = process.wait()
    while _kill():
        with suppress(ChildProcessError):
            os.wait()
    _tell(str(code))


def _tell(answer: str) -> None:
    """Reply to the owner, if it lives."""
    with suppress(BrokenPipeError):
        os.write(1, answer.encode())


def _alone(output: IO[bytes]) -> bool:
    """Wait until no process of an earlier attempt has the log open; answer False if the owner does not want to.

    The command inherits the lock, and it ends with the last process that holds
    it. Where a file system knows no locks, or keeps those of a dead machine,
    there is nothing to wait for.
    """
    for _ in range(EARLIER):
        try:
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if select.select([sys.stdin], [], [], 1)[0]:
                return False
        except OSError:
            break
        else:
            break
    return True


def _obey(process: subprocess.Popen[bytes], patience: float) -> None:
    """End the command when the owner requests it or dies."""
    if os.read(0, 1):
        process.terminate()
        select.select([0], [], [], patience)
    _kill()


def _kill() -> int:
    """Kill all processes below this one; return how many there were."""
    own = psutil.Process()
    below = own.children(recursive=True)
    for each in below:
        with suppress(psutil.NoSuchProcess):
            if own in each.parents():  # the id of one that has just ended may belong to a process of somebody else
                each.kill()
    return len(below)


if __name__ == "__main__":
    main()
