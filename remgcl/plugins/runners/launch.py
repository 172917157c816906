"""DeepSpeed's launcher, started and watched: one process for each GPU."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from remgcl import Job, RunError

if TYPE_CHECKING:
    from remgcl.plugins.runners.deepspeed import DeepSpeed

RANK = "remgcl.plugins.runners.rank"
"""The module that each process runs."""


def launch(runner: DeepSpeed, job: Job) -> None:
    """Run a stage in separate processes.

    Ctrl-C and SIGTERM are forwarded to rank 0, which lets all ranks save and end;
    a second one ends them at once.

    Args:
        runner: The runner's settings.
        job: The stage.

    Raises:
        RunError: There is no GPU, no DeepSpeed, no such port; or a process
            failed: the error says which rank and why.
    """
    from remgcl.training import launch_ranks

    _ready(runner)
    command = [*_command(runner), RANK, str(job.run.path.resolve()), job.name]
    launch_ranks(job, command, _environment(runner, job.folder.path / "ranks"), "DeepSpeed's launcher")


def _ready(runner: DeepSpeed) -> None:
    """Verify that DeepSpeed, GPUs and port are there."""
    if importlib.util.find_spec("deepspeed") is None:
        raise RunError("runner: DeepSpeed is not installed; install it with: pip install 'remgcl[deepspeed]'")
    if not runner.cpu and runner.hostfile is None:
        import torch

        there = torch.cuda.device_count()
        if there == 0:
            raise RunError(
                "runner: there is no GPU on this machine; a small model trains on the CPU with: "
                "remgcl run recipes/quickstart.toml"
            )
        for gpu in _gpus(runner.include or ""):
            if gpu >= there:
                raise RunError(f"runner.include: there is no GPU {gpu}; there are {there}, from 0 to {there - 1}")
        if runner.processes and runner.processes > there:
            raise RunError(f"runner.processes: {runner.processes} are more than the GPUs; there are {there}")
    if runner.hostfile is not None:
        _reach(Path(runner.hostfile))
    if runner.port is not None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", runner.port))
            except OSError as error:
                raise RunError(f"runner.port: {runner.port} cannot be used; {(error.strerror or '').lower()}") from None


def _reach(hostfile: Path) -> None:
    """Verify that every machine of a hostfile responds."""
    lines = [line.partition("#")[0].split() for line in hostfile.read_text(encoding="utf-8-sig").splitlines()]
    away = []
    for host in (words[0] for words in lines if words and words[0] != "localhost"):
        asked = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", host, "true"]
        try:
            answered = subprocess.run(asked, check=False, capture_output=True, text=True)  # noqa: S603 - the user's own machines
        except FileNotFoundError:
            raise RunError("runner.hostfile: there is no ssh on this machine, which other machines need") from None
        if answered.returncode:
            away.append(f"{host} does not respond over ssh; {answered.stderr.strip() or 'no reason is given'}")
    if away:
        raise RunError("\n".join(f"{hostfile}: {fault}" for fault in away))


def _gpus(include: str) -> Iterator[int]:
    """Name the requested GPUs of this machine."""
    for host in include.split("@"):
        name, _, gpus = host.partition(":")
        if name == "localhost":
            yield from (int(gpu) for gpu in gpus.split(",") if gpu.isdecimal())


def _command(runner: DeepSpeed) -> list[str]:
    """Write the launcher's command line."""
    port = runner.port
    if port is None:
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
    command = [sys.executable, "-m", "deepspeed.launcher.runner", "--log_level", "error", "--no_local_rank"]
    command += [f"--master_port={port}", "--module"]
    processes = runner.processes or (2 if runner.cpu else None)
    include = runner.include
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if runner.processes and not runner.cpu and runner.hostfile is None and all(map(str.isdecimal, visible)):
        # with a number of processes the launcher takes the first GPUs of all, visible or not
        include, processes = f"localhost:{','.join(visible[: runner.processes])}", None
    options = {
        "--include": include,
        "--num_accelerators": processes,
        "--hostfile": runner.hostfile or os.devnull,
    }
    return command + [f"{name}={value}" for name, value in options.items() if value is not None]


def _environment(runner: DeepSpeed, folder: Path) -> dict[str, str]:
    """Return every process's variables; DeepSpeed exports those in the file to other machines."""
    own = dict(runner.environment)
    if runner.cpu:
        own |= {"DS_ACCELERATOR": "cpu"}
        own.setdefault("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "environment"
    file.write_text("".join(f"{name}={value}\n" for name, value in own.items()), encoding="utf-8")
    return {**os.environ, **own, "DS_ENV_FILE": str(file)}
