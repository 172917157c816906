"""The executor of one machine: slots, GPUs, threads, and no task left behind."""

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from remgcl import RunError, Task
from remgcl import cores as usable
from remgcl.plugins.executors import devices, local
from remgcl.plugins.executors.local import Local

TELLS = """
import json, os, sys
names = ["CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
print(json.dumps({name: os.environ.get(name) for name in names} | {"folder": os.getcwd(), "pid": os.getpid()}))
"""

WAITS = """
import signal, sys
def stop(*_):
    print("kept", flush=True)
    STOP
signal.signal(signal.SIGTERM, stop)
TELL
sys.stdout.flush()
while True:
    signal.pause()
""".replace("TELL", TELLS)

Make = Callable[..., Task]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine of some cores and GPUs: four of the former and none of the latter to begin with."""
    for name in (*devices.THREADS, devices.VISIBLE):
        monkeypatch.delenv(name, raising=False)

    def have(cores: int, gpus: tuple[str, ...] = ()) -> None:
        monkeypatch.setattr(local, "cores", lambda: tuple(range(cores)))
        monkeypatch.setattr(local, "gpus", lambda: gpus)

    have(4)
    return have


@pytest.fixture
def task(tmp_path: Path) -> Make:
    """A task that runs a program; what it prints goes to `NAME.txt`."""

    def make(name: str, program: str, processes: int = 1) -> Task:
        command = (sys.executable, "-S", "-c", program)
        return Task(name=name, command=command, folder=tmp_path, log=tmp_path / f"{name}.txt", processes=processes)

    return make


@pytest.fixture
def told(tmp_path: Path, until: Until) -> Callable[[str], dict[str, object]]:
    """Wait for what a task tells of itself."""

    def read(name: str) -> dict[str, object]:
        log = tmp_path / f"{name}.txt"
        until(lambda: log.exists() and "}" in log.read_text())
        held: dict[str, object] = json.loads(log.read_text().splitlines()[0])
        return held

    return read


def test_a_task_runs_in_its_folder_with_its_share_of_the_cores(
    tmp_path: Path, task: Make, told: Callable[[str], dict[str, object]]
) -> None:
    with Local(slots=2).open() as submit:
        assert submit(task("a", TELLS)).result() == 0
        assert submit(task("b", TELLS, processes=2)).result() == 0
    assert told("a")["folder"] == str(tmp_path)
    assert (told("a")["OMP_NUM_THREADS"], told("a")["MKL_NUM_THREADS"]) == ("2", "2")
    assert told("b")["OMP_NUM_THREADS"] == "1"
    assert told("a")["CUDA_VISIBLE_DEVICES"] is None


def test_a_lower_limit_of_threads_stays(
    task: Make, told: Callable[[str], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "64")
    with Local(slots=1).open() as submit:
        submit(task("a", TELLS)).result()
    assert (told("a")["OMP_NUM_THREADS"], told("a")["MKL_NUM_THREADS"]) == ("1", "4")


@pytest.mark.parametrize(("cores", "gpus"), [(2, ()), (8, ()), (64, ("0", "1"))])
def test_there_are_as_many_slots_as_gpus_or_else_cores_or_a_quarter_of_many(
    cores: int,
    gpus: tuple[str, ...],
    task: Make,
    told: Callable[..., object],
    machine: Callable[..., None],
) -> None:
    machine(cores, gpus)
    with Local().open() as submit:
        futures = [submit(task(name, WAITS.replace("STOP", "sys.exit(2)"))) for name in "abc"]
        assert all(map(told, "ab"))
        assert [future.running() for future in futures] == [True, True, False]
    assert [future.result() for future in futures[:2]] == [2, 2]
    with pytest.raises(CancelledError):
        futures[2].result()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system binds no process to cores")
def test_each_task_has_cores_of_its_own(
    task: Make, told: Callable[[str], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "cores", usable)
    slots = min(2, len(usable()))
    names = "ab"[:slots]
    with Local(slots=slots).open() as submit:
        submit(task("before", TELLS)).result()  # its cores are free again
        for name in names:
            submit(task(name, WAITS.replace("STOP", "sys.exit(2)")))
        bound = [core for name in names for core in os.sched_getaffinity(int(str(told(name)["pid"])))]
    assert sorted(bound) == list(usable())


def test_cores_are_shared_out() -> None:
    assert devices.shared_out((0, 1, 4, 5, 6), 2) == [(0, 1), (4, 5, 6)]
    assert devices.shared_out((2, 3), 3) == [(2,), (3,), (2,)]


def test_each_task_has_gpus_of_its_own(
    task: Make, told: Callable[[str], dict[str, object]], machine: Callable[..., None]
) -> None:
    machine(8, ("4", "6", "7"))
    with Local().open() as submit:
        submit(task("one", WAITS.replace("STOP", "sys.exit(2)")))
        one = told("one")["CUDA_VISIBLE_DEVICES"]
        submit(task("two", TELLS, processes=2)).result()
        submit(task("again", TELLS, processes=2)).result()
    assert [one, told("two")["CUDA_VISIBLE_DEVICES"], told("again")["CUDA_VISIBLE_DEVICES"]] == ["4", "6,7", "6,7"]


def test_more_slots_than_gpus_share_them(
    task: Make, told: Callable[[str], dict[str, object]], machine: Callable[..., None]
) -> None:
    machine(8, ("0", "1"))
    with Local(slots=4).open() as submit:
        for name in "abcd":
            submit(task(name, WAITS.replace("STOP", "sys.exit(2)")))
        assert sorted(str(told(name)["CUDA_VISIBLE_DEVICES"]) for name in "abcd") == ["0", "0", "1", "1"]


def test_a_task_that_needs_more_gpus_than_there_are_is_told(task: Make, machine: Callable[..., None]) -> None:
    machine(8, ("0", "1"))
    with Local().open() as submit:
        future = submit(task("large", TELLS, processes=4))
        with pytest.raises(RunError, match=r"^executor: task 'large' needs 4 GPUs; there are 2$"):
            future.result()


def test_a_task_that_cannot_be_started_is_told(tmp_path: Path, task: Make) -> None:
    (tmp_path / "a.txt").mkdir()
    with Local().open() as submit:
        future = submit(task("a", TELLS))
        with pytest.raises(RunError, match=r"^executor: task 'a' cannot be started; .*Is a directory"):
            future.result()


def test_a_system_that_starts_no_process_is_told(task: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    with Local().open() as submit:
        future = submit(task("a", TELLS))
        with pytest.raises(RunError, match=r"^executor: task 'a' cannot be started; .*'/no/python'$"):
            future.result()


def test_a_task_is_asked_to_stop_when_the_context_ends_and_is_waited_for(
    tmp_path: Path, task: Make, told: Callable[[str], dict[str, object]]
) -> None:
    with Local().open() as submit:
        future = submit(task("a", WAITS.replace("STOP", "sys.exit(2)")))
        told("a")
    assert future.result() == 2
    assert (tmp_path / "a.txt").read_text().endswith("kept\n")


def test_a_task_that_does_not_stop_is_killed_after_its_patience(
    task: Make, told: Callable[[str], dict[str, object]]
) -> None:
    with Local(patience=0.05).open() as submit:
        future = submit(task("a", WAITS.replace("STOP", "pass")))
        told("a")
    assert future.result() == -signal.SIGKILL


def test_visible_gpus_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-7")
    assert devices.gpus() == ("5", "GPU-7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert devices.gpus() == ()
