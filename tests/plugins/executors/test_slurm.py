"""The executor of Slurm, before a stand-in for its commands and, where it is installed, before Slurm itself."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, wait
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from remgcl import RunError, Task
from remgcl.core.files import extras
from remgcl.plugins.executors.slurm import COMMANDS, Slurm

DATA = Path(__file__).parents[2] / "data"

OWNER = """
import os, sys
from pathlib import Path
from remgcl import Task
from remgcl.plugins.executors.slurm import Slurm
with Slurm(gpus=0, cpus=1).open() as submit:
    submit(Task(name="a", command=tuple(sys.argv[2:]), folder=Path.cwd(), log=Path(sys.argv[1])))
    os._exit(0)
"""
"""Submit a task, and end as a kill does."""

Lives = Callable[[str], bool]
Until = Callable[[Callable[[], object]], None]


def stand_in(folder: Path) -> Mapping[str, str]:
    """Write commands that stand for those of Slurm; give the environment that finds them."""
    commands, jobs = folder / "bin", folder / "jobs"
    commands.mkdir()
    jobs.mkdir()
    for name in (*COMMANDS, "scontrol"):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {DATA / "slurm_stand_in.py"} {name} "$@"\n')
        script.chmod(0o755)
    return {"PATH": f"{commands}:{os.environ['PATH']}", "SLURM_STAND_IN": str(jobs)}


def started(folder: Path) -> Mapping[str, str]:
    """Start Slurm; give the environment that finds it."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    for name in ("munged", "slurmctld", "slurmd", *COMMANDS):
        if shutil.which(name, path=path) is None:
            pytest.skip(f"Slurm is not installed: there is no {name}")
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    command = ["bash", DATA / "slurm.sh", folder, str(port)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if ended.returncode:
        stop(folder)
        pytest.skip(f"Slurm cannot be started: {ended.stdout}{ended.stderr}")
    return {"SLURM_CONF": str(folder / "slurm.conf")}


def stop(folder: Path) -> None:
    """Stop what was started."""
    for file in folder.glob("*.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGTERM)


@pytest.fixture(
    scope="module",
    params=[pytest.param(stand_in, id="stand-in"), pytest.param(started, marks=pytest.mark.slow, id="real")],
)
def slurm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment of a machine of Slurm, or of what stands for it."""
    folder = tmp_path_factory.mktemp("slurm")
    yield request.param(folder)
    stop(folder)


@pytest.fixture
def executor(slurm: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """The executor of a cluster without GPUs."""
    from remgcl.plugins.executors import slurm_jobs

    monkeypatch.setattr(slurm_jobs, "POLL", 0.1)
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    return Slurm(gpus=0, cpus=1)


@pytest.fixture
def command(executor: Slurm) -> Callable[..., object]:
    """Run a command of Slurm, whatever it answers."""
    del executor
    return lambda *words: subprocess.run(words, check=False, capture_output=True)  # noqa: S603 - Slurm's


@pytest.fixture
def job(tmp_path: Path) -> Callable[[], str]:
    """The number of the only job."""
    return lambda: next((tmp_path / "slurm").glob("*_submission.sh")).name.partition("_")[0]


def test_submitit_that_is_not_installed_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    told = r"^executor 'slurm': needs submitit, which is not installed; install it with: pip install 'remgcl\[slurm\]'$"
    with pytest.raises(RunError, match=told):
        Slurm().verify()


def test_a_patience_as_long_as_the_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^patience: 300 s must be less than the time of a job, 5 minutes$"):
        Slurm(time=5, patience=300)


def test_a_machine_without_slurm_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = r"^executor 'slurm': there is no command 'sbatch' on this machine; is it one of Slurm's\?$"
    with pytest.raises(RunError, match=told), Slurm().open():
        pass


def test_a_job_gives_its_exit_code_and_appends_its_output(
    executor: Slurm, program: Callable[..., Task], tmp_path: Path
) -> None:
    task = program("a", "print(os.getcwd(), flush=True)\nsys.exit(3)")
    task.log.write_text("before\n")
    with executor.open() as submit:
        assert submit(task).result() == 3
    assert task.log.read_text() == f"before\n{tmp_path}\n"


def test_leaving_stops_what_runs_and_drops_what_waits(
    executor: Slurm, program: Callable[..., Task], lives: Lives, until: Until, tmp_path: Path
) -> None:
    with executor.open() as submit:
        runs, waits, cancelled = (submit(program(name)) for name in ("runs", "waits", "cancelled"))
        until(lambda: lives("runs") and runs.running())
        assert not waits.running()
        assert not runs.cancel()
        assert cancelled.cancel()
        assert wait([cancelled], timeout=60).done
    assert not lives("runs")
    assert runs.result() == 2
    assert (tmp_path / "runs.txt").read_text() == "kept\n"
    with pytest.raises(CancelledError):
        waits.result()
    assert not (tmp_path / "waits.pid").exists()
    assert not (tmp_path / "cancelled.pid").exists()


def test_a_job_that_does_not_stop_is_cancelled(
    executor: Slurm, program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    with evolve(executor, patience=1).open() as submit:
        deaf = submit(program("deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"))
        until(lambda: lives("deaf") and deaf.running())
    assert not lives("deaf")
    assert deaf.result() == -signal.SIGKILL


def test_a_job_whose_time_runs_out_goes_on_with_its_checkpoint(  # noqa: PLR0913, PLR0917 - fixtures
    executor: Slurm,
    command: Callable[..., object],
    job: Callable[[], str],
    program: Callable[..., Task],
    lives: Lives,
    until: Until,
    tmp_path: Path,
) -> None:
    task = program(
        "a", "if os.path.exists('kept'): sys.exit(4)\npathlib.Path('kept').touch()\nwhile True: signal.pause()"
    )
    with executor.open() as submit:
        future = submit(task)
        until(lambda: lives("a") and future.running())
        assert "#SBATCH --signal=USR2@600\n" in (tmp_path / "slurm" / f"{job()}_submission.sh").read_text()
        command("scancel", "--signal=USR2", job())  # as Slurm does

        soon = datetime.now() + timedelta(seconds=2)  # noqa: DTZ005 - a machine that killed a job takes it a second later

        def hasten() -> bool:
            command("scontrol", "update", f"JobId={job()}", f"StartTime={soon:%FT%T}")  # else Slurm waits two minutes
            return future.done()

        until(hasten)
        assert future.result() == 4
    assert task.log.read_text() == "kept\n"


def test_a_job_that_slurm_refuses_is_told(executor: Slurm, program: Callable[..., Task]) -> None:
    with evolve(executor, partition="nowhere").open() as submit:
        future = submit(program("a"))
        told = r"^executor: task 'a' was refused by Slurm; .*Invalid partition name specified$"
        with pytest.raises(RunError, match=told):
            future.result(0)


def test_a_job_that_would_wait_for_ever_is_told(executor: Slurm, program: Callable[..., Task]) -> None:
    with evolve(executor, partition="short", time=20).open() as submit:
        future = submit(program("a"))
        with pytest.raises(RunError, match=r"^executor: task 'a' will never run; Slurm says PartitionTimeLimit$"):
            future.result()


def test_a_program_that_cannot_be_started_is_told(executor: Slurm, tmp_path: Path) -> None:
    task = Task(name="a", command=("/no/such",), folder=tmp_path, log=tmp_path / "a.txt")
    with executor.open() as submit:
        future = submit(task)
        with pytest.raises(RunError, match=r"^executor: task 'a' cannot be started; .*/no/such"):
            future.result()


def test_a_job_that_is_gone_is_told_with_its_state(  # noqa: PLR0913, PLR0917 - fixtures
    executor: Slurm,
    command: Callable[..., object],
    job: Callable[[], str],
    program: Callable[..., Task],
    lives: Lives,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from remgcl.plugins.executors import slurm_jobs

    monkeypatch.setattr(slurm_jobs, "LATE", 0.1)
    with executor.open() as submit:
        future = submit(program("a"))
        until(lambda: lives("a"))
        command("scancel", job())  # as anybody may
        with pytest.raises(RunError, match=rf"^executor: task 'a' was lost, job {job()}; Slurm says CANCELLED, "):
            future.result()
    assert not lives("a")


def test_a_look_that_goes_wrong_is_repeated(
    executor: Slurm, program: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    from remgcl.plugins.executors import slurm_jobs

    look, faults = slurm_jobs._Job.look, [OSError("stale file handle"), EOFError()]

    def unwell(job: slurm_jobs._Job, state: str, told: str) -> bool:
        if faults:
            raise faults.pop()
        return look(job, state, told)

    monkeypatch.setattr(slurm_jobs._Job, "look", unwell)
    with executor.open() as submit:
        assert submit(program("a", "sys.exit(3)")).result(60) == 3


def test_a_job_that_cannot_be_watched_is_cancelled_and_told(  # noqa: PLR0913, PLR0917 - fixtures
    executor: Slurm,
    job: Callable[[], str],
    program: Callable[..., Task],
    lives: Lives,
    until: Until,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from remgcl.plugins.executors import slurm_jobs

    monkeypatch.setattr(slurm_jobs, "FAULTS", 2)
    with executor.open() as submit:
        future = submit(program("a"))
        until(lambda: lives("a"))
        (tmp_path / "slurm" / f"{job()}_0_result.pkl").write_bytes(b"half")
        with pytest.raises(RunError, match=rf"^executor: task 'a' cannot be watched, job {job()} was cancelled; "):
            future.result(60)
        until(lambda: not lives("a"))


def test_an_odd_line_of_the_queue_is_passed_over(
    executor: Slurm, program: Callable[..., Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("squeue")
    (tmp_path / "squeue").write_text(f'#!/bin/sh\necho "slurm is slow today"\nexec {real} "$@"\n')
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with executor.open() as submit:
        assert submit(program("a", "sys.exit(3)")).result(60) == 3


def test_a_second_interrupt_at_any_moment_leaves_no_job(
    executor: Slurm, program: Callable[..., Task], lives: Lives, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remgcl.plugins.executors import slurm_jobs

    monkeypatch.setattr(slurm_jobs, "LATE", 0.1)
    jobs = slurm_jobs.SlurmJobs(executor)
    jobs.submit(program("a", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"))
    until(lambda: lives("a"))
    join, interrupts = jobs._watcher.join, [KeyboardInterrupt()]

    def interrupted() -> None:
        if interrupts:
            raise interrupts.pop()
        join()

    monkeypatch.setattr(jobs._watcher, "join", interrupted)
    jobs.stop()
    until(lambda: not lives("a"))


def test_a_job_that_a_killed_command_left_is_watched_and_not_submitted_twice(
    executor: Slurm, program: Callable[..., Task], lives: Lives, until: Until, tmp_path: Path
) -> None:
    task = program("a", "while not os.path.exists('go'): time.sleep(0.01)\nprint('ran')\nsys.exit(3)")
    subprocess.run([sys.executable, "-c", OWNER, task.log, *task.command], check=True, cwd=tmp_path)  # noqa: S603 - our own
    until(lambda: lives("a"))
    with executor.open() as submit:
        other = submit(evolve(task, name="b"))
        future = submit(task)
        (tmp_path / "go").touch()
        assert future.result(60) == 3
        assert other.result(60) == 3
        assert submit(task).result(60) == 3
    assert task.log.read_text() == "ran\n" * 3
    assert len(list((tmp_path / "slurm").glob("*_submission.sh"))) == 3


def test_nothing_is_submitted_again_while_slurm_does_not_tell_its_jobs(
    executor: Slurm, program: Callable[..., Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "1_submission.sh").touch()
    (tmp_path / "squeue").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with executor.open() as submit:
        future = submit(program("a"))
        with pytest.raises(RunError, match=r"^executor: task 'a' was refused by Slurm; squeue does not answer$"):
            future.result(60)
    assert len(list((tmp_path / "slurm").iterdir())) == 1
