"""The GPUs and cores of this machine, and the share of a task."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Condition

VISIBLE = "CUDA_VISIBLE_DEVICES"

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that set the number of threads of libraries."""


def shared_out(cores: tuple[int, ...], slots: int) -> list[tuple[int, ...]]:
    """Assign each slot its own cores; if there are more slots than cores, slots share them.

    Args:
        cores: The cores.
        slots: Tasks at once.
    """
    count = len(cores)
    if slots > count:
        return [(cores[slot % count],) for slot in range(slots)]
    return [cores[slot * count // slots : (slot + 1) * count // slots] for slot in range(slots)]


def gpus() -> tuple[str, ...]:
    """Name the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` does."""
    import torch

    count = torch.cuda.device_count()  # of the visible ones
    visible = os.environ.get(VISIBLE)
    named = [str(number) for number in range(count)] if visible is None else visible.split(",")
    return tuple(name.strip() for name in named[:count])


def threads(share: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Limit the threads of a task; a lower limit of the user's stays.

    Args:
        share: Cores for each process of the task.
        environment: What the user set.
    """
    given = {name: environment.get(name, "") for name in THREADS}
    return {
        name: str(min(share, int(limit)) if limit.isdecimal() and int(limit) else share)
        for name, limit in given.items()
    }


class Gpus:
    """GPUs that are lent to tasks, each to as many at once as its share of the slots."""

    def __init__(self, names: tuple[str, ...], slots: int) -> None:
        """Begin with all of them free.

        Args:
            names: The GPUs.
            slots: Tasks at once.
        """
        self._free = dict.fromkeys(names, -(-slots // len(names)) if names else 0)
        self._changed = Condition()

    def __len__(self) -> int:
        """Count them."""
        return len(self._free)

    @contextmanager
    def lent(self, count: int) -> Iterator[tuple[str, ...]]:
        """Wait until some are free, and lend those that fewest tasks use.

        Args:
            count: How many; at most as many as there are.
        """
        with self._changed:
            self._changed.wait_for(lambda: sum(free > 0 for free in self._free.values()) >= count)
            chosen = sorted(self._free, key=self._free.__getitem__, reverse=True)[:count]
            self._add(chosen, -1)
        try:
            yield tuple(chosen)
        finally:
            with self._changed:
                self._add(chosen, 1)
                self._changed.notify_all()

    def _add(self, names: list[str], count: int) -> None:
        for name in names:
            self._free[name] += count
