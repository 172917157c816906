"""What every executor promises: tasks are run to their end, cancelled before they run, or stopped and waited for."""

from __future__ import annotations

import sys
from concurrent.futures import Future, wait
from pathlib import Path
from time import monotonic, sleep

from remgcl.core.errors import RemgclError, RunError
from remgcl.core.parts import Executor, Task
from remgcl.testing.checks import PartChecks, broken

LIMIT = 60.0
"""Seconds in which a task of an instant must begin, and end."""

MANY = 4

UNTIL_TOLD = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path(sys.argv[1] + ".stopped").touch()
    sys.exit(2)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
pathlib.Path(sys.argv[1] + ".began").touch()
for _ in range(6000):
    time.sleep(0.01)
"""
"""A program that runs until it gets a signal, for at most a minute, and leaves files when it starts and stops."""


class Checks(PartChecks):
    """What every executor promises."""

    def test_it_can_be_used_here(self, part: Executor) -> None:
        """`verify` starts nothing and raises only for faults that would stop the tasks."""
        try:
            part.verify()
        except RemgclError as error:
            raise broken(
                part, f"verify: refuses to be used here: {error}; raise only for what would stop tasks"
            ) from error

    def test_a_task_answers_its_exit_code(self, part: Executor, tmp_path: Path) -> None:
        """The future of a task returns the exit code of its command."""
        with part.open() as submit:
            futures = {code: submit(_task(tmp_path, f"raise SystemExit({code})")) for code in (0, 3)}
            for code, future in futures.items():
                answer = _result(part, future)
                if answer != code:
                    raise broken(
                        part, f"open: returns {answer!r} for a command that ends with {code}; return its exit code"
                    )

    def test_many_tasks_are_all_run(self, part: Executor, tmp_path: Path) -> None:
        """Tasks wait for a free slot, and each runs once, in its folder."""
        program = "import pathlib, sys; open(sys.argv[1], 'a').write(str(pathlib.Path.cwd()))"
        with part.open() as submit:
            for future in [submit(_task(tmp_path, program, f"{place}.txt")) for place in range(MANY)]:
                _result(part, future)
        found = [path.read_text() if path.exists() else "" for path in (tmp_path / f"{at}.txt" for at in range(MANY))]
        if found != [str(tmp_path.resolve())] * MANY:
            raise broken(part, f"open: {MANY} tasks in {str(tmp_path)!r} ran as {found}; run each once, in its folder")

    def test_what_a_task_says_is_appended_to_its_log(self, part: Executor, tmp_path: Path) -> None:
        """The log is appended to, so that a resumed task has one log."""
        log = tmp_path / "task.log"
        log.write_text("before\n")
        with part.open() as submit:
            program = "import sys; print('out'); print('err', file=sys.stderr)"
            _result(part, submit(_task(tmp_path, program)))
        held = log.read_text()
        if not held.startswith("before\n") or "out" not in held or "err" not in held:
            raise broken(part, f"open: the log holds {held!r}; append both outputs to what was there")

    def test_a_command_that_cannot_be_started_is_told(self, part: Executor, tmp_path: Path) -> None:
        """The future of a task that could not be completed raises `RunError` or returns another code than 0."""
        with part.open() as submit:
            task = Task(name="none", command=("/no/such/program",), folder=tmp_path, log=tmp_path / "task.log")
            try:
                answer: object = submit(task).result(LIMIT)
            except RunError:
                return
            except Exception as error:
                raise broken(part, f"open: a program that is not there raises {error!r}; raise RunError") from error
        if answer == 0:
            raise broken(part, "open: returns 0 for a program that is not there; raise RunError")

    def test_a_cancelled_task_never_runs(self, part: Executor, tmp_path: Path) -> None:
        """A task whose future is cancelled before it starts never runs."""
        program = "import sys; open(sys.argv[1], 'w')"
        with part.open() as submit:
            running = [submit(_task(tmp_path, UNTIL_TOLD, f"{place}")) for place in range(MANY)]
            waiting = [submit(_task(tmp_path, program, f"{place}.txt")) for place in range(MANY)]
            cancelled = [place for place, future in enumerate(waiting) if future.cancel()]
            for future in running:
                future.cancel()
        ran = [place for place in cancelled if (tmp_path / f"{place}.txt").exists()]
        if ran:
            raise broken(
                part, f"open: tasks ran that were cancelled before: {ran}; call set_running_or_notify_cancel()"
            )

    def test_tasks_are_stopped_and_waited_for_at_the_end(self, part: Executor, tmp_path: Path) -> None:
        """When the context ends, running tasks are stopped by a signal, and none is left behind."""
        with part.open() as submit:
            future = submit(_task(tmp_path, UNTIL_TOLD, "long"))
            began, deadline = tmp_path / "long.began", monotonic() + LIMIT
            while not began.exists():
                if future.done() or monotonic() > deadline:
                    raise broken(
                        part, f"open: a task did not begin within {LIMIT:g} s; run it while the context is open"
                    )
                sleep(0.01)
        if not (tmp_path / "long.stopped").exists():
            raise broken(part, "open: a task was not stopped at the end; send SIGTERM, so that it keeps a checkpoint")
        if not wait([future], timeout=0).done:
            raise broken(part, "open: a task is left behind at the end; wait for it, and settle its future")


def _task(folder: Path, program: str, argument: str = "") -> Task:
    """Make a task that runs a Python program."""
    command = (sys.executable, "-c", program, str(folder / argument))
    return Task(name=argument or "task", command=command, folder=folder, log=folder / "task.log")


def _result(part: Executor, future: Future[int]) -> int:
    try:
        return future.result(LIMIT)
    except TimeoutError as error:
        raise broken(
            part, f"open: a task of an instant does not end within {LIMIT:g} s; run tasks as there is room"
        ) from error
    except RunError as error:
        raise broken(part, f"open: a task cannot be run: {error}") from error
