"""An executor of a thread for each task, and executors that break one promise each."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

from attrs import frozen

from remgcl import Executor, RunError, Submit, Task
from remgcl.testing import conformance


@frozen(kw_only=True)
class Good(Executor):
    """Run two tasks at once.

    Attributes:
        broken: What is done wrong.
    """

    broken: str = ""

    def verify(self) -> None:
        """Refuse to be used, if that is what is wrong."""
        if self.broken == "verify":
            raise RunError("not here")

    def open(self) -> AbstractContextManager[Submit]:
        """Make room for two."""
        return _opened(self.broken)


@contextmanager
def _opened(broken: str) -> Iterator[Submit]:
    pool, lock = ThreadPoolExecutor(2), Lock()
    running, ending = list[subprocess.Popen[bytes]](), list[bool]()

    def run(task: Task) -> int:
        folder = task.folder.parent if broken == "folder" else task.folder
        with lock, task.log.open("wb" if broken == "log" else "ab") as log:
            if ending:
                return 1
            try:
                started = subprocess.Popen(task.command, cwd=folder, stdout=log, stderr=log)  # noqa: S603 - a test's
            except OSError as error:
                raise (error if broken == "raises" else RunError(str(error))) from None
            running.append(started)
        return started.wait() if broken != "code" else started.wait() * 0

    def submit(task: Task) -> Future[int]:
        future = pool.submit(run, task)
        if broken == "cancelled":
            future.cancel = lambda: task.name.endswith(".txt") and bool(run(task) + 1)  # type: ignore[method-assign]
        return future

    try:
        yield submit
    finally:
        with lock:
            ending.append(True)
        for process in running:
            process.kill() if broken == "kills" else process.terminate()
        pool.shutdown(cancel_futures=True)


TestGood = conformance(Good())
TestCancelled = conformance(Good(broken="cancelled"))
TestVerify = conformance(Good(broken="verify"))
TestFolder = conformance(Good(broken="folder"))
TestLog = conformance(Good(broken="log"))
TestRaises = conformance(Good(broken="raises"))
TestCode = conformance(Good(broken="code"))
TestKills = conformance(Good(broken="kills"))
