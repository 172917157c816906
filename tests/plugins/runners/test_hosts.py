"""How many processes DeepSpeed will start, and how it spreads a training."""

from pathlib import Path

import pytest

from remgcl import Layout
from remgcl.plugins.runners.deepspeed import DeepSpeed
from remgcl.plugins.runners.hosts import count
from remgcl.plugins.runners.local import Local


@pytest.fixture
def hosts(tmp_path: Path) -> str:
    """A hostfile of two machines with 4 and 2 GPUs."""
    path = tmp_path / "hosts"
    path.write_text("# machines\na slots=4\n\nb slots=2  # old\n#c slots=8\n")
    return str(path)


@pytest.mark.parametrize(
    ("include", "processes", "counted"),
    [
        (None, None, None),
        (None, 3, 3),
        ("localhost:3,4", None, 2),
        ("localhost:1", None, 1),
        ("localhost", None, None),
        ("a:0,1@b:1", None, 3),
    ],
)
def test_processes_are_those_that_settings_name(
    include: str | None, processes: int | None, counted: int | None
) -> None:
    assert count(include, None, processes) == counted


@pytest.mark.parametrize(
    ("include", "processes", "counted"),
    [(None, None, 6), (None, 2, 4), ("a", None, 4), ("a@b:1", None, 5), ("x", None, None)],
)
def test_processes_are_those_of_the_hostfile(
    include: str | None, processes: int | None, counted: int | None, hosts: str
) -> None:
    assert count(include, hosts, processes) == counted


def test_a_hostfile_that_is_missing_tells_nothing() -> None:
    assert count(None, "nowhere", None) is None


@pytest.mark.parametrize(
    ("zero", "sharded"),
    [(0, ()), (1, ("optimizer",)), (2, ("optimizer", "gradients")), (3, ("optimizer", "gradients", "weights"))],
)
def test_each_stage_of_zero_shards_more(zero: int, sharded: tuple[str, ...]) -> None:
    layout = DeepSpeed(zero=zero, processes=2).layout()
    assert layout == Layout(processes=2, sharded=sharded, gathered=10**9 if zero == 3 else 0, casts=True)


def test_what_is_offloaded_is_told() -> None:
    """The gradients go with the optimizer, whose step is on the CPU."""
    assert DeepSpeed(zero=3, offload_optimizer=True).layout().offloaded == ("optimizer", "gradients")
    assert DeepSpeed(zero=3, offload_parameters=True).layout().offloaded == ("weights",)
    both = DeepSpeed(zero=3, offload_optimizer=True, offload_parameters=True).layout()
    assert both.offloaded == ("optimizer", "gradients", "weights")


def test_the_number_of_processes_may_be_known_only_where_it_runs(hosts: str) -> None:
    assert DeepSpeed().layout().processes is None
    assert DeepSpeed(cpu=True).layout().processes == 2
    assert DeepSpeed(hostfile=hosts).layout().processes == 6


def test_the_local_runner_is_one_process_that_holds_all() -> None:
    assert Local().layout() == Layout()
