"""How many processes DeepSpeed will start, read from what it is given."""

from __future__ import annotations

import re
from pathlib import Path

_SLOTS = re.compile(r"^\s*([^#\s]+)\s+slots=(\d+)", re.MULTILINE)


def count(include: str | None, hostfile: str | None, processes: int | None) -> int | None:
    """Count the processes over all machines, or return None if that depends on where it runs.

    Args:
        include: GPUs as DeepSpeed writes them: ``a:0,1@b`` is two of a and all of b.
        hostfile: A file of lines ``a slots=4``.
        processes: Processes on each machine; as many as it has GPUs without it.
    """
    slots: dict[str, int | None] = {"localhost": processes}
    if hostfile is not None and Path(hostfile).is_file():
        text = Path(hostfile).read_text(encoding="utf-8-sig")
        slots = {name: processes or int(given) for name, given in _SLOTS.findall(text)}
    if include is not None:
        named = (host.partition(":") for host in include.split("@"))
        slots = {name: len(gpus.split(",")) if gpus else slots.get(name) for name, _, gpus in named}
    counts = [given for given in slots.values() if given is not None]
    return sum(counts) if counts and len(counts) == len(slots) else None
