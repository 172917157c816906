"""Cores of this machine, and pools of processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remgcl import cores
from remgcl.core.processes import Pool, processes

OWNER = """
import time
from remgcl.core.processes import processes
if __name__ == "__main__":
    with processes(1) as pool:
        print(*pool(eval, ["__import__('os').getpid()"]), flush=True)
        time.sleep(60)
"""


def test_the_cores_that_this_process_may_use_are_numbered() -> None:
    assert 1 <= len(cores()) <= (os.cpu_count() or 1)
    assert list(cores()) == sorted(set(cores()))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system binds no process to cores")
def test_a_core_that_this_process_may_not_use_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 3})
    assert cores() == (3, 5)


def test_no_more_is_given_out_than_can_be_done_soon() -> None:
    """Or the tasks of a million images would wait in memory."""
    given: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            given.append(number)
            yield number

    with ThreadPoolExecutor(1) as executor:
        done = 0
        for _ in Pool(executor, 4)(abs, tasks()):
            done += 1
            assert len(given) <= done + 4 + 4
    assert (done, len(given)) == (100, 100)


def test_a_pool_computes_in_other_processes_that_leave_ctrl_c_to_their_parent() -> None:
    with processes(2) as pool:
        assert sorted(pool(abs, [-3, 2, -1])) == [1, 2, 3]
        assert set(pool(signal.getsignal, [signal.SIGINT])) == {signal.SIG_IGN}
        assert os.getpid() not in set(pool(eval, ["__import__('os').getpid()"]))


def test_a_pool_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    (tmp_path / "owner.py").write_text(OWNER)
    owner = subprocess.Popen([sys.executable, tmp_path / "owner.py"], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert owner.stdout
    worker = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists() or " Z " in Path(f"/proc/{worker}/stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError("the worker still runs")
