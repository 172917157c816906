"""A command that runs below a process and dies with it, whatever it started."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from remgcl import RunError, Task
from remgcl.plugins.executors import supervisor
from remgcl.plugins.executors.supervised import Supervised

OWNER = """
import sys
from pathlib import Path
from remgcl import Task
from remgcl.plugins.executors.supervised import Supervised
task = Task(name="a", command=tuple(sys.argv[2:]), folder=Path.cwd(), log=Path(sys.argv[1]))
Supervised(task, 60, {}).wait()
"""

HIDES = """
code = "import os, pathlib, signal; pathlib.Path('hidden.pid').write_text(str(os.getpid())); signal.pause()"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
while not pathlib.Path("hidden.pid").exists():
    time.sleep(0.01)
"""
"""Start a process of a session of its own."""

Lives = Callable[[str], bool]
Until = Callable[[Callable[[], object]], None]


def test_a_task_gives_its_exit_code_and_appends_its_output(tmp_path: Path, program: Callable[..., Task]) -> None:
    task = program("a", "print(os.getcwd(), os.environ['MINE'], flush=True)\nsys.exit('complained')")
    task.log.write_text("before\n")
    with Supervised(task, 60, {"MINE": "own"}) as supervised:
        assert supervised.wait() == 1
    assert task.log.read_text() == f"before\n{tmp_path} own\ncomplained\n"


def test_a_signal_that_ends_a_task_is_its_exit_code(program: Callable[..., Task]) -> None:
    with Supervised(program("a", "os.kill(os.getpid(), signal.SIGKILL)"), 60, {}) as supervised:
        assert supervised.wait() == -signal.SIGKILL


def test_a_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    task = Task(name="a", command=("/no/such",), folder=tmp_path, log=tmp_path / "a.txt")
    with (
        Supervised(task, 60, {}) as supervised,
        pytest.raises(RunError, match=r"^cannot be started; .* No such file or directory: '/no/such'$"),
    ):
        supervised.wait()


def test_a_system_that_starts_no_process_is_told(program: Callable[..., Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    with pytest.raises(RunError, match=r"^cannot be started; .* No such file or directory: '/no/python'$"):
        Supervised(program("a"), 60, {})


def test_the_supervisor_sees_the_libraries_that_this_process_sees(
    tmp_path: Path, program: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "psutil.py").write_text("import os; os.write(1, b'7'); os._exit(0)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    with Supervised(program("a", "sys.exit(3)"), 60, {}) as supervised:
        assert supervised.wait() == 7


def test_a_task_that_is_asked_to_stop_may_keep_a_checkpoint(
    program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    task = program("a")
    with Supervised(task, 60, {}) as supervised:
        until(lambda: lives("a"))
        supervised.stop()
        assert supervised.wait() == 2
    assert task.log.read_text() == "kept\n"


@pytest.mark.parametrize(("patience", "asked"), [(0.05, 1), (600, 2)])
def test_a_task_that_does_not_stop_is_killed_after_its_patience_or_when_asked_twice(
    patience: float, asked: int, program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    ignores = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\nwhile True: signal.pause()"
    task = program("a", ignores)
    with Supervised(task, patience, {}) as supervised:
        until(lambda: lives("a") and task.log.read_text())
        for _ in range(asked):
            supervised.stop()
        assert supervised.wait() == -signal.SIGKILL


def test_what_a_task_leaves_behind_is_killed(program: Callable[..., Task], lives: Lives) -> None:
    with Supervised(program("a", HIDES), 60, {}) as supervised:
        assert supervised.wait() == 0
    assert not lives("hidden")


def test_a_task_and_all_that_it_started_die_with_its_owner(
    tmp_path: Path, program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    task = program("a", HIDES + "signal.pause()")
    command = [sys.executable, "-c", OWNER, task.log, *task.command]
    with subprocess.Popen(command, cwd=tmp_path) as owner:  # noqa: S603 - our own
        until(lambda: lives("hidden"))
        owner.kill()
    until(lambda: not lives("a") and not lives("hidden"))
    assert task.log.read_text() == ""


def test_a_second_attempt_waits_until_nothing_of_the_first_is_left(
    tmp_path: Path, program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    first = program("first", "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), stop()))\nsignal.pause()")
    second = program("second", "print(os.path.exists('/proc/' + pathlib.Path('first.pid').read_text()))")
    shared: dict[str, Any] = {"name": "a", "folder": tmp_path, "log": tmp_path / "log"}
    with Supervised(Task(command=first.command, **shared), 60, {}) as one:
        until(lambda: lives("first"))
        with Supervised(Task(command=second.command, **shared), 60, {}) as other:
            one.stop()
            assert one.wait() == 2
            assert other.wait() == 0
    assert (tmp_path / "log").read_text() == "kept\nFalse\n"


def test_an_attempt_that_waits_for_an_earlier_one_can_be_stopped(
    tmp_path: Path, program: Callable[..., Task], lives: Lives, until: Until
) -> None:
    shared: dict[str, Any] = {"name": "a", "folder": tmp_path, "log": tmp_path / "log"}
    with Supervised(Task(command=program("first").command, **shared), 60, {}):
        until(lambda: lives("first"))
        with Supervised(Task(command=program("second").command, **shared), 60, {}) as other:
            other.stop()
            with pytest.raises(RunError, match=r"^its processes were killed$"):
                other.wait()
    assert not (tmp_path / "second.pid").exists()


def test_only_processes_below_the_supervisor_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    stranger = SimpleNamespace(parents=list, kill=lambda: killed.append("stranger"))
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as child:
        below = [stranger, psutil.Process(child.pid)]
        monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: below)
        assert supervisor._kill() == len(below)
        assert child.wait(60) == -signal.SIGKILL
    assert killed == []
