"""The page of the documentation that tells how fast remgcl is."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.comparison import Row, Spread

LIBRARIES = ("remgcl", "torch", "numpy", "pillow", "transformers")

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def page(rows: Sequence[Row], threads: int) -> str:
    """Write the page.

    Args:
        rows: What was measured.
        threads: Threads of torch.
    """
    lines = "\n".join(_line(row) for row in rows)
    return f"""# Performance

Written by `make bench`. Each row compares two ways of doing the same, timed in one run on one machine; a time is the
median, a ratio the median with its quartiles. The naive way is the plainest one: `bench/naive.py`, after what is known
of the published code.

{setting(LIBRARIES)}
* Threads of torch: {threads}

| what | naive | remgcl | ratio | goal | reached | remarks |
|---|---|---|---|---|---|---|
{lines}

```
make bench
```

installs, measures for some minutes and writes this page anew. `OMP_NUM_THREADS` sets the number of threads, 1 without
it. Nothing else should run meanwhile. `python -m bench --quick` makes sure within seconds that the scripts work, and
writes nothing.

* The mask is made a sample at a time, as a loader worker does it. The naive filter compares ids by a float32
  convolution; positions are wrong where an exact comparison of whole numbers decides otherwise.
* The local loss includes the look-up of the regions' texts and the gradients of patches and embedding table.
* The step is forward, backward, clipping and AdamW; the batch is made before.
* Preprocessing includes decoding. A loader worker hands on bytes and the model normalises them, so the rows with
  normalising count work that an accelerator may do.
"""


def setting(libraries: Sequence[str]) -> str:
    """Tell machine, versions and date, a line each.

    Args:
        libraries: Distributions whose versions matter.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return "\n".join(
        [
            f"* Machine: {_processor()}, {os.cpu_count()} cores",
            f"* Versions: Python {platform.python_version()}, {versions}",
            f"* Date: {datetime.now(tz=UTC):%Y-%m-%d}",
        ]
    )


def section(title: str, command: str, found: Mapping[str, object]) -> str:
    """Write a section of a page that another script writes.

    Args:
        title: Its title.
        command: What writes it.
        found: What was found, by what was done.
    """
    words = {True: "yes", False: "no"}
    rows = [f"| {what} | {words[value] if isinstance(value, bool) else value} |" for what, value in found.items()]
    load = (
        f"* Load of the machine: {os.getloadavg()[1]:.0f} processes wanted its cores; on a free one times are shorter"
    )
    written = f"Written by `{command}`."
    lines = [f"## {title}", "", written, "", setting(("remgcl", "openai")), load, "", "| what | found |"]
    return "\n".join([*lines, "|---|---|", *rows]) + "\n"


def keeping(page: Path, text: str) -> str:
    """Add the section of another script to a page that is written anew.

    Args:
        page: The page as it is.
        text: What is written.
    """
    held = page.read_text(encoding="utf-8") if page.exists() else ""
    _, mark, rest = held.partition("\n## Elicitation")
    return text + mark + rest


def _line(row: Row) -> str:
    ratio = row.naive.over(row.ours)
    goal = "none" if row.goal is None else f"at most +{row.goal:.0%}" if row.added else f"at least {row.goal:,g}"
    if row.added:
        added = Spread(tuple(value - 1 for value in row.ours.over(row.naive).values))
        told = f"{added.median:+.1%} ({added.quartiles[0]:+.1%} to {added.quartiles[1]:+.1%})"
        reached = row.goal is None or added.median <= row.goal
    else:
        told = f"{_number(ratio.median)} ({_number(ratio.quartiles[0])} to {_number(ratio.quartiles[1])})"
        reached = row.goal is None or ratio.median >= row.goal
    answer = "" if row.goal is None else "yes" if reached else "no"
    cells = (row.what, _time(row.naive.median), _time(row.ours.median), told, goal, answer, row.differences)
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"  # noqa: PLR2004 - where decimals end to matter


def _time(seconds: float) -> str:
    scale, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"


def _processor() -> str:
    """Name the processor as the system does, with its family, as the name alone may say little."""
    file = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in file.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()
