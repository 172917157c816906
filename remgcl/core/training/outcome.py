"""What came out of a stage: tables for the reader, a record for the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from remgcl.core.evaluation.answers import Answered
from remgcl.core.evaluation.measure import Measure
from remgcl.core.evaluation.picture import draw
from remgcl.core.training.job import Job
from remgcl.core.training.progress import written

if TYPE_CHECKING:
    from remgcl.core.training.progress import Progress

SHORT = 10
"""Seconds below which a tenth of one counts."""


def outcome(
    progress: Progress, counts: Mapping[str, int], measure: Measure, before: float | None, after: Sequence[Answered]
) -> dict[str, Any]:
    """Make the record of a stage.

    Args:
        progress: The log of the training.
        counts: How often something was left out, by what it was.
        measure: What is measured on held-out samples.
        before: Its value before the training, if there are held-out samples.
        after: The same samples answered after it.
    """
    first, last = progress.logged[0], progress.logged[-1]
    record: dict[str, Any] = {
        "terms": {name: {"first": first[name], "last": last[name]} for name in last},
        "samples": progress.samples,
        "seconds": progress.seconds,
        "samples_per_second": progress.samples / max(progress.seconds, 1e-9),
        "left_out": dict(counts),
    }
    if after:
        record["left_out"]["held-out prompts shortened"] = sum(each.cut > 0 for each in after)
        record[measure.name] = {"held_out": len(after), "before": before, "after": measure.of(after)}
    return record


def report(job: Job, record: Mapping[str, Any], after: Sequence[Answered]) -> None:
    """Print the record of a stage, and draw its held-out samples.

    Args:
        job: The stage.
        record: Its record.
        after: Held-out samples answered after the training, if there are any.
    """
    table = Table(title=f"{job.name}: terms of the objective", title_justify="left")
    once = all(term["first"] == term["last"] for term in record["terms"].values())
    columns = {"mean": "last"} if once else {"first": "first", "last": "last"}
    table.add_column("term")
    for column in ("weight", *columns):
        table.add_column(column, justify="right")
    for name, term in record["terms"].items():
        weight = job.stage.losses[name].weight if name in job.stage.losses else 1.0
        table.add_row(name, f"{weight:g}", *(written(term[key], 4) for key in columns.values()))
    print_ = job.console.print
    print_(table)
    seconds, speed = record["seconds"], record["samples_per_second"]
    print_(f"{record['samples']} samples in {seconds:.{int(seconds < SHORT)}f} s: {speed:.1f} samples/s")
    if once:
        print_(f"logged once, as logging_steps is {job.stage.logging_steps}; a smaller one shows how the terms change")
    for what, count in record["left_out"].items():
        if count:
            print_(f"[yellow]{what}: {count}[/]")
    if after:
        print_(job.measure.told(record[job.measure.name]))
    pictures = job.stage.validation.pictures if job.stage.validation else 0
    if pictures and after:
        draw(after[:pictures], job.measure.right).save(job.folder.pictures)
        print_(f"held-out images and answers: {job.folder.pictures}")
