"""DeepSpeed's launcher: what is told before it starts, how it is started, and what comes back."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import torch
from rich.console import Console

from remgcl import Job, Recipe, RunError, RunFolder
from remgcl.plugins.runners.deepspeed import DeepSpeed
from remgcl.plugins.runners.launch import launch


class Launcher:
    """Stands for the launcher: notes how it was started, and does what a test wants."""

    command: list[str]
    environment: Mapping[str, str]
    pid = os.getpid()

    def __init__(self, told: Path) -> None:
        """Do nothing, and end well."""
        self.told = told
        self.does: Callable[[], object] = lambda: None
        self.code = 0
        self.terminated = 0
        self.session = False

    def __call__(self, command: list[str], *, env: Mapping[str, str], start_new_session: bool) -> "Launcher":
        """Start."""
        self.command, self.environment, self.session = command, env, start_new_session
        return self

    def wait(self) -> int:
        """End."""
        self.does()
        return self.code

    def poll(self) -> int:
        """Have ended."""
        return self.code

    def terminate(self) -> None:
        """Be ended."""
        self.terminated += 1


@pytest.fixture
def job(read: Callable[..., Recipe], tmp_path: Path) -> Job:
    """A stage that was begun."""
    run = RunFolder(tmp_path / "run")
    run.stage("first").begin({})
    return Job(recipe=read(), name="first", run=run, start=None, inputs={}, console=Console(quiet=True))


@pytest.fixture
def launcher(job: Job, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """Stands for DeepSpeed's launcher, on a machine of two GPUs."""
    made = Launcher(job.folder.path / "ranks")
    monkeypatch.setattr(subprocess, "Popen", made)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    return made


def test_deepspeed_that_is_not_installed_is_told_with_the_extra(
    job: Job, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RunError) as raised:
        launch(DeepSpeed(), job)
    assert str(raised.value) == "runner: DeepSpeed is not installed; install it with: pip install 'remgcl[deepspeed]'"
    assert not hasattr(launcher, "command")


def test_a_machine_without_gpu_is_told_what_trains_without_one(
    job: Job, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(RunError) as raised:
        launch(DeepSpeed(), job)
    assert str(raised.value) == (
        "runner: there is no GPU on this machine; a small model trains on the CPU with: "
        "remgcl run recipes/quickstart.toml"
    )
    assert Path("recipes/quickstart.toml").is_file()
    assert not hasattr(launcher, "command")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"include": "localhost:1,2"}, r"runner\.include: there is no GPU 2; there are 2, from 0 to 1"),
        ({"include": "other:5@localhost:7"}, r"runner\.include: there is no GPU 7; there are 2, from 0 to 1"),
        ({"processes": 3}, r"runner\.processes: 3 are more than the GPUs; there are 2"),
    ],
)
@pytest.mark.usefixtures("launcher")
def test_a_gpu_that_is_not_there_is_told(job: Job, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(RunError, match=told):
        launch(DeepSpeed(**settings), job)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What machines say to ssh, by their names; one that says nothing answers."""
    said: dict[str, str] = {}

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        told = said.get(command[-2], "")
        return subprocess.CompletedProcess(command, 255 if told else 0, "", told)

    monkeypatch.setattr(subprocess, "run", run)
    return said


def test_machines_that_do_not_answer_are_all_told(
    job: Job, launcher: Launcher, answers: dict[str, str], tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# mine\none slots=8\ntwo slots=8\nthree slots=8\nlocalhost slots=2\n")
    answers |= {"one": "no route to host\n", "three": "permission denied", "localhost": "is not asked"}
    with pytest.raises(RunError) as raised:
        launch(DeepSpeed(hostfile=str(hosts)), job)
    assert str(raised.value).splitlines() == [
        f"{hosts}: one does not respond over ssh; no route to host",
        f"{hosts}: three does not respond over ssh; permission denied",
    ]
    assert not hasattr(launcher, "command")


@pytest.mark.usefixtures("answers")
def test_gpus_of_other_machines_are_not_looked_for_here(job: Job, launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("one slots=8\ntwo slots=8\n")
    launch(DeepSpeed(hostfile=str(tmp_path / "hosts"), include="one:0,7@two:0,7"), job)
    assert f"--hostfile={tmp_path / 'hosts'}" in launcher.command
    assert "--include=one:0,7@two:0,7" in launcher.command


@pytest.mark.usefixtures("launcher")
def test_a_port_in_use_is_told(job: Job) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=rf"runner\.port: {port} cannot be used; address already in use"):
            launch(DeepSpeed(port=port), job)


def test_the_launcher_is_started_in_a_session_of_its_own_with_the_rank_as_a_module(
    job: Job, launcher: Launcher
) -> None:
    launch(DeepSpeed(include="localhost:0,1", port=29123), job)
    assert launcher.session
    assert launcher.command == [
        sys.executable,
        "-m",
        "deepspeed.launcher.runner",
        "--log_level",
        "error",
        "--no_local_rank",
        "--master_port=29123",
        "--module",
        "--include=localhost:0,1",
        f"--hostfile={os.devnull}",
        "remgcl.plugins.runners.rank",
        str(job.run.path.resolve()),
        "first",
    ]


def test_a_free_port_is_chosen(job: Job, launcher: Launcher) -> None:
    launch(DeepSpeed(), job)
    (port,) = (int(word.partition("=")[2]) for word in launcher.command if word.startswith("--master_port="))
    assert 1024 <= port < 65536
    assert not any(word.startswith(("--include", "--num_accelerators")) for word in launcher.command)


@pytest.mark.parametrize(
    ("settings", "processes"), [({"cpu": True}, 2), ({"cpu": True, "processes": 3}, 3), ({"processes": 1}, 1)]
)
def test_processes_are_as_many_as_were_asked_for(
    job: Job, launcher: Launcher, settings: dict[str, Any], processes: int
) -> None:
    launch(DeepSpeed(**settings), job)
    assert f"--num_accelerators={processes}" in launcher.command


def test_a_number_of_processes_takes_the_visible_gpus_alone(
    job: Job, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeepSpeed's launcher would take the first GPUs of all."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    launch(DeepSpeed(processes=2), job)
    assert "--include=localhost:3,5" in launcher.command
    assert not any(word.startswith("--num_accelerators") for word in launcher.command)


def test_variables_reach_every_process_on_every_machine(
    job: Job, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    launch(DeepSpeed(environment={"NCCL_DEBUG": "INFO"}, cpu=True), job)
    own = {"NCCL_DEBUG": "INFO", "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "3"}
    assert own.items() <= launcher.environment.items()
    assert launcher.environment["PATH"] == os.environ["PATH"]
    lines = Path(launcher.environment["DS_ENV_FILE"]).read_text().splitlines()
    assert dict(line.split("=") for line in lines) == own


def test_on_gpus_no_accelerator_is_prescribed(job: Job, launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DS_ACCELERATOR", raising=False)
    launch(DeepSpeed(), job)
    assert "DS_ACCELERATOR" not in launcher.environment
    assert Path(launcher.environment["DS_ENV_FILE"]).read_text() == ""


def test_what_ranks_told_is_an_error_that_names_them_and_says_the_same_once(job: Job, launcher: Launcher) -> None:
    def fail() -> None:
        for rank, text in {0: "no space", 1: "a loss", 2: "no space", 10: "no space"}.items():
            (launcher.told / f"rank-{rank}.error").write_text(text)

    launcher.does, launcher.code = fail, 1
    with pytest.raises(RunError) as raised:
        launch(DeepSpeed(), job)
    assert str(raised.value) == "rank 0, 2, 10: no space\nrank 1: a loss"


def test_a_rank_that_was_killed_is_named(job: Job, launcher: Launcher) -> None:
    def fail() -> None:
        for rank in (0, 1):
            (launcher.told / f"rank-{rank}.pid").write_text("4711")
        (launcher.told / "rank-0.error").write_text("connection closed by peer")

    launcher.does, launcher.code = fail, 1
    with pytest.raises(RunError) as raised:
        launch(DeepSpeed(), job)
    assert str(raised.value).splitlines() == [
        "rank 0: connection closed by peer",
        "rank 1: ended without a message; it may have been killed, for instance for lack of memory",
    ]


def test_what_ranks_of_an_earlier_attempt_told_is_forgotten(job: Job, launcher: Launcher) -> None:
    launcher.told.mkdir()
    (launcher.told / "rank-0.error").write_text("old")
    launch(DeepSpeed(), job)


def test_a_launcher_that_fails_without_a_word_of_a_rank_is_told(job: Job, launcher: Launcher) -> None:
    launcher.code = 3
    with pytest.raises(RunError, match="stage 'first': DeepSpeed's launcher ended with code 3; see its output"):
        launch(DeepSpeed(), job)


@pytest.fixture
def sleepers() -> Iterator[tuple[Popen[bytes], Popen[bytes]]]:
    """Two processes that wait for a signal, neither of which started the other."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with Popen(command) as one, Popen(command) as other:  # noqa: S603 - our own
        yield one, other
        one.kill()
        other.kill()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_handed_to_rank_0_and_the_second_to_the_launcher(
    job: Job, launcher: Launcher, sleepers: tuple[Popen[bytes], Popen[bytes]], kind: signal.Signals
) -> None:
    rank, _ = sleepers

    def interrupt() -> None:
        (launcher.told / "rank-0.pid").write_text(str(rank.pid))
        signal.raise_signal(kind)
        assert (rank.wait(60), launcher.terminated) == (-signal.SIGTERM, 0)
        signal.raise_signal(kind)

    launcher.does = interrupt
    before = signal.getsignal(kind)
    launch(DeepSpeed(), job)
    assert launcher.terminated == 1
    assert signal.getsignal(kind) is before


@pytest.mark.parametrize("written", ["{}", ""])
def test_a_process_that_the_launcher_did_not_start_gets_no_signal(
    job: Job, launcher: Launcher, sleepers: tuple[Popen[bytes], Popen[bytes]], written: str
) -> None:
    stranger, started = sleepers
    launcher.pid = started.pid

    def interrupt() -> None:
        (launcher.told / "rank-0.pid").write_text(written.format(stranger.pid))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.5)

    launcher.does = interrupt
    launch(DeepSpeed(), job)
    assert launcher.terminated == 1


def test_a_signal_before_there_is_a_rank_ends_the_launcher(job: Job, launcher: Launcher) -> None:
    launcher.does = lambda: signal.raise_signal(signal.SIGTERM)
    launch(DeepSpeed(), job)
    assert launcher.terminated == 1
