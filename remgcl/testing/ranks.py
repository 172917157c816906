"""Two ranks: processes of torch that compute together, for all tests of a session."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

RANKS = 2


class BrokenRankError(Exception):
    """A rank raised, or did not answer."""


class Ranks:
    """Two processes in one process group of gloo, started when they are first used.

    Attributes:
        limit: Seconds in which both must answer, once they are there.
    """

    def __init__(self, limit: float = 60) -> None:
        """Start nothing yet.

        Args:
            limit: Seconds in which both must answer, once they are there.
        """
        self.limit = limit
        self._running: list[tuple[SpawnProcess, Connection]] = []
        self._meeting: TemporaryDirectory[str] | None = None

    def run(self, compute: Callable[..., Any], *each: tuple[Any, ...]) -> list[Any]:
        """Let every rank compute, and give what each answers.

        Args:
            compute: A function of a module.
            each: The arguments of each rank.

        Raises:
            BrokenRankError: A rank raises, or does not answer: it waits for the other.
        """
        try:
            asked = [pickle.dumps((compute, arguments)) for arguments in each]
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise BrokenRankError(f"cannot be sent to another process: {error}") from error
        if not self._running:
            self._start()
        for (_, connection), held in zip(self._running, asked, strict=True):
            connection.send_bytes(pickle.dumps(sys.path))
            connection.send_bytes(held)
        answers: dict[int, Any] = {}
        while len(answers) < RANKS:
            silent = {at: connection for at, (_, connection) in enumerate(self._running) if at not in answers}
            ready = wait(list(silent.values()), timeout=self.limit)
            if not ready:
                self.stop()
                ranks = " and ".join(map(str, silent))
                raise BrokenRankError(f"rank {ranks} does not respond within {self.limit:g} s")
            for at, connection in silent.items():
                if connection in ready:
                    answers[at], fault = _received(connection)
                    if fault:
                        self.stop()
                        raise BrokenRankError(f"rank {at} raises {fault}")
        return [answers[at] for at in range(RANKS)]

    def stop(self) -> None:
        """End both processes."""
        for process, connection in self._running:
            process.kill()
            process.join()
            connection.close()
        self._running = []
        if self._meeting:
            self._meeting.cleanup()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._meeting = TemporaryDirectory(prefix="remgcl-ranks-")
        for rank in range(RANKS):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(rank, self._meeting.name, there), daemon=True)
            process.start()
            there.close()
            self._running.append((process, here))
        for _, connection in self._running:
            connection.recv_bytes()  # it is there


def _received(connection: Connection) -> tuple[Any, str]:
    """Read what a rank answers, and what it raised."""
    try:
        answer, fault = pickle.loads(connection.recv_bytes())  # noqa: S301 - of our own process
    except EOFError:
        return None, "nothing, and is gone"
    return answer, fault


def _serve(rank: int, meeting: str, connection: Connection) -> None:
    """Run the requested functions, as one rank of two, until this process is killed."""
    import torch
    from torch import distributed

    torch.set_num_threads(1)
    place = (Path(meeting) / "meeting").as_uri()
    distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=RANKS)
    import_module("remgcl.testing.losses")  # importing it takes a while
    connection.send_bytes(b"")
    while True:
        try:
            sys.path[:] = pickle.loads(connection.recv_bytes())  # noqa: S301 - of our own process
        except EOFError:  # the tests are over
            return
        try:
            compute, arguments = pickle.loads(connection.recv_bytes())  # noqa: S301 - of our own process
            answer = compute(*arguments), ""
        except Exception as error:  # noqa: BLE001 - a part may raise anything
            answer = None, repr(error)
        connection.send_bytes(pickle.dumps(answer))
