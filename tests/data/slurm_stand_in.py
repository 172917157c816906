"""Stands for the commands of Slurm, on this machine: one job at a time, each in a session of its own.

The first argument says which command; `SLURM_STAND_IN` names a folder for its jobs.
"""

import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

HOME = Path(os.environ["SLURM_STAND_IN"])


def sbatch(script: str) -> None:
    """Queue a job."""
    text = Path(script).read_text()
    if "--partition=nowhere" in text:
        sys.exit("sbatch: error: Batch job submission failed: Invalid partition name specified")
    job = HOME / str(1 + len(list(HOME.iterdir())))
    job.mkdir()
    (job / "name").write_text(shlex.split(re.findall(r"^#SBATCH --job-name=(.*)$", text, re.MULTILINE)[0])[0])
    (job / "state").write_text("PENDING" + "|(PartitionTimeLimit)" * ("--partition=short" in text))
    print("Submitted batch job", job.name)  # noqa: T201
    sys.stdout.flush()
    if "--partition=short" not in text and os.fork() == 0:
        run(job, script)


def run(job: Path, script: str) -> None:
    """Run a job when the one before it has ended, and again when it was queued again."""
    os.setsid()
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    (job / "pid").write_text(str(os.getpid()))
    while True:
        with (HOME.parent / "machine").open("w") as machine:
            fcntl.flock(machine, fcntl.LOCK_EX)
            (job / "state").write_text("RUNNING")
            environment = {**os.environ, "SLURM_JOB_ID": job.name, "SLURM_JOB_NODELIST": "here"}
            code = subprocess.call(["bash", script], env=environment)  # noqa: S603, S607
        if not (job / "again").exists():
            break
        (job / "again").unlink()
    (job / "state").write_text("FAILED" if code else "COMPLETED")


def srun(*command: str) -> None:
    """Run the step of a job."""
    job = os.environ["SLURM_JOB_ID"]
    _, _, out, _, err, *command = command
    for stream, name in enumerate((out, err), 1):
        path = name.replace("%j", job).replace("%t", "0")
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    (HOME / job / "step").write_text(str(os.getpid()))
    os.environ["SLURM_PROCID"] = "0"
    os.execvp(command[0], command)  # noqa: S606


def squeue(*_: str) -> None:
    """Tell the state of each job."""
    for job in HOME.iterdir():
        state, _, reason = (job / "state").read_text().partition("|")
        print(f"{job.name}|{state}|{reason or '(None)'}|{(job / 'name').read_text()}")  # noqa: T201


def scancel(*arguments: str) -> None:
    """Cancel jobs, or send them a signal: every process of them."""
    options = dict(re.findall(r"--(\w+)=(\w+)", " ".join(arguments)))
    for name in arguments:
        job = HOME / name
        if not name.isdecimal() or options.get("state", state := (job / "state").read_text()) != state:
            continue
        kind = options.get("signal", "KILL")
        file = job / ("step" if kind != "KILL" else "pid")
        if file.exists():
            with suppress(psutil.NoSuchProcess):
                first = psutil.Process(int(file.read_text()))
                for process in (*first.children(recursive=True), first):
                    process.send_signal(signal.Signals["SIG" + kind])
        if kind == "KILL":
            (job / "state").write_text("CANCELLED")


def scontrol(does: str, name: str, *_: str) -> None:
    """Queue a job again; what else could be done to it is done already."""
    if does == "requeue":
        (HOME / name / "again").touch()


if __name__ == "__main__":
    vars()[sys.argv[1]](*sys.argv[2:])
