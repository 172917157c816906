"""The executor of a Ray cluster: a real one, of two machines, one of which dies."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import evolve

from remgcl import RunError, Task
from remgcl.core.files import extras
from remgcl.plugins.executors.ray import Ray

DRIVER = """
import sys
from pathlib import Path
from remgcl import Task
from remgcl.plugins.executors.ray import Ray
with Ray(address=sys.argv[1], gpus=0, cpus=1).open() as submit:
    submit(Task(name="a", command=tuple(sys.argv[3:]), folder=Path.cwd(), log=Path(sys.argv[2]))).result()
"""

RECIPE = """
name = "small"
vision_tower = { use = "tiny", size = [32, 32], channels = [8, 16], strides = [[4, 4], [2, 2]] }
projector = "linear"
backbone = { use = "tiny", width = 32, layers = 1, mlp = 32 }
runner = { use = "local", cpu = true, threads = 1 }

[stages.only]
template = "plain"
train = ["projector", "backbone"]
batch_size = 4
epochs = 20
save_steps = 5
data = { use = "synthetic", samples = 16, size = 32, font = [8, 10] }
losses = { refined-local = {} }
"""

TRAINS = """
begun = pathlib.Path(NAME + ".begun")
if begun.exists():
    there = os.path.exists("/proc/" + begun.read_text())
    print("the earlier attempt is", "there" if there else "gone", flush=True)
begun.write_text(str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "remgcl", "run", "small.toml", "--folder", NAME])
"""
"""Become a training that notices whether an earlier one of the same folder still runs."""

Lives = Callable[[str], bool]
Until = Callable[[Callable[[], object]], None]

SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}

PROMPT = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""Ray notices soon that a machine died."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray cluster of one machine with one CPU."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**SMALL, "_system_config": PROMPT})
    yield made
    made.shutdown()


@pytest.fixture
def executor(cluster: Any) -> Ray:  # noqa: ANN401 - Ray's
    """The executor of the cluster."""
    return Ray(address=cluster.address, gpus=0, cpus=1)


def test_ray_that_is_not_installed_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    told = r"^executor 'ray': needs ray, which is not installed; install it with: pip install 'remgcl\[ray\]'$"
    with pytest.raises(RunError, match=told):
        Ray().verify()
    with pytest.raises(RunError, match=told), Ray().open():
        pass


@pytest.mark.parametrize(
    ("address", "told"),
    [("auto", "Could not find any running Ray instance"), ("127.0.0.1:1", "Connection refused"), ("here:x", "invalid")],
)
def test_a_cluster_that_does_not_run_is_told(
    address: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(RunError, match=rf"^executor\.address: there is no Ray cluster at '{address}'; .*{told}"),
        Ray(address=address).open(),
    ):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_a_task_gives_its_exit_code_and_tells_where_it_ran(executor: Ray, program: Callable[..., Task]) -> None:
    task = program("a", "print(os.environ['MINE'], flush=True)\nsys.exit(3)")
    with evolve(executor, environment={"MINE": "own"}).open() as submit:
        assert submit(task).result() == 3
    node, *printed = task.log.read_text().splitlines()
    assert node.startswith("executor: on node ")
    assert printed == ["own"]


@pytest.mark.slow
def test_leaving_stops_what_runs_and_drops_what_waits(
    executor: Ray, program: Callable[..., Task], lives: Lives, until: Until, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with executor.open() as submit:
        assert signal.getsignal(signal.SIGTERM) is before
        runs, waits, cancelled = (submit(program(name)) for name in ("runs", "waits", "cancelled"))
        until(lambda: lives("runs") and runs.running())
        assert not waits.running()
        assert not runs.cancel()
        assert cancelled.cancel()
        assert wait([cancelled], timeout=60).done
    assert not lives("runs")
    assert runs.result() == 2
    assert (tmp_path / "runs.txt").read_text().endswith("kept\n")
    with pytest.raises(CancelledError):
        waits.result()
    assert not (tmp_path / "waits.pid").exists()
    assert not (tmp_path / "cancelled.pid").exists()


@pytest.mark.slow
def test_a_task_that_no_machine_is_large_enough_for_is_told(executor: Ray, program: Callable[..., Task]) -> None:
    with evolve(executor, gpus=3).open() as submit:
        future = submit(program("large", processes=2))
        with pytest.raises(RunError) as raised:
            future.result(0)
    assert str(raised.value) == (
        "executor: task 'large' needs 6 GPU, 2 CPU on one machine; there are machines of 0 GPU, 1 CPU"
    )


@pytest.mark.slow
def test_a_folder_that_a_machine_does_not_see_is_told(executor: Ray, tmp_path: Path) -> None:
    task = Task(name="a", command=("true",), folder=tmp_path, log=tmp_path / "away" / "a.txt")
    with executor.open() as submit, pytest.raises(RunError, match=r"^executor: task 'a' .*away.*; every machine must"):
        submit(task).result()


@pytest.mark.slow
def test_a_task_that_was_lost_too_often_is_told_with_its_machine(
    executor: Ray, program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    with evolve(executor, retries=0).open() as submit:
        future = submit(program("a"))
        until(lambda: lives("a"))
        (worker,) = (each for each in psutil.process_iter() if each.name().startswith("ray::a"))
        worker.kill()
        told = r"^executor: task 'a' was lost on node [\d.]+, after 0 retries; The worker died unexpectedly"
        with pytest.raises(RunError, match=told):
            future.result()
        until(lambda: not lives("a"))


@pytest.mark.slow
def test_tasks_of_a_cluster_whose_head_is_gone_are_told(
    executor: Ray, program: Callable[..., Task], lives: Lives, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remgcl.plugins.executors import ray_tasks

    def gone() -> None:
        raise RuntimeError("no answer\nat all")

    with executor.open() as submit:
        future = submit(program("a"))
        until(lambda: lives("a"))
        monkeypatch.setattr(ray_tasks, "_nodes", gone)
        with pytest.raises(RunError, match=r"^executor: task 'a' is no longer known to Ray; no answer$"):
            future.result()
    until(lambda: not lives("a"))


@pytest.mark.slow
def test_tasks_die_with_the_command_that_submitted_them(
    executor: Ray, program: Callable[..., Task], lives: Lives, until: Until, tmp_path: Path
) -> None:
    task = program("a")
    command = [sys.executable, "-c", DRIVER, executor.address, task.log, *task.command]
    with subprocess.Popen(command, cwd=tmp_path) as driver:  # noqa: S603 - our own
        until(lambda: lives("a"))
        driver.kill()
    until(lambda: not lives("a"))


@pytest.mark.slow
def test_a_task_whose_machine_dies_goes_on_elsewhere_to_the_same_bits(  # noqa: PLR0913, PLR0917 - fixtures
    cluster: Any,  # noqa: ANN401 - Ray's
    executor: Ray,
    program: Callable[..., Task],
    until: Until,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from remgcl.plugins.executors import ray_tasks

    monkeypatch.setattr(ray_tasks, "LOST", 0)
    (tmp_path / "small.toml").write_text(RECIPE)
    node = cluster.add_node(**{**SMALL, "num_cpus": 3})
    with executor.open() as submit:
        whole = submit(program("whole", TRAINS))
        until((tmp_path / "whole").exists)
        moved = submit(program("moved", TRAINS))
        lost = submit(program("lost", processes=2))
        until(lambda: [*(tmp_path / "moved").glob("only/checkpoints/step-*")] and (tmp_path / "lost.pid").exists())
        cluster.remove_node(node, allow_graceful=False)
        with pytest.raises(RunError, match=r"^executor: task 'lost' needs 0 GPU, 2 CPU .* machines of 0 GPU, 1 CPU$"):
            lost.result()
        assert (whole.result(), moved.result()) == (0, 0)
    log = (tmp_path / "moved.txt").read_text()
    assert log.count("executor: on node ") == 2
    assert "the earlier attempt is gone" in log
    assert re.search(r"only: resumes from step [1-9]", log)
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / name / "only" / "model").iterdir()}
        for name in ("whole", "moved")
    ]
    assert files[0] == files[1]
