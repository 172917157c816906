"""A run of an elicitation file: from its images to its data."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from remgcl.core.elicitation.calls import Caller
from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.jobs import Outcome, Pipeline
from remgcl.core.elicitation.ledger import Ledger
from remgcl.core.elicitation.purse import Purse
from remgcl.core.elicitation.results import Results
from remgcl.core.elicitation.sources import Seen, evidence, pictures
from remgcl.core.elicitation.work import Work
from remgcl.core.errors import RunError
from remgcl.core.files.whole import locked, writing
from remgcl.core.ocr.cache import OcrCache
from remgcl.core.parts import Evidence

DRAIN = 10.0
"""Seconds that calls under way have to end in, when the run is stopped."""

Watch = Callable[[int, Work], None]
"""Shows how far the run is: images that are done, and the work."""


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Make the folder of the data, and keep other processes from it.

    Args:
        out: The folder.

    Raises:
        RunError: Another process works there, or it cannot be written.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        held = locked(out / "lock")
    with held as free:
        if not free:
            raise RunError(
                f"{out}: another process makes data there; wait for its end, or name another folder with --out"
            )
        yield


def run(file: ElicitFile, out: Path, *, limit: int | None, budget: float | None, watch: Watch) -> Results:
    """Ask about every image, and judge and choose what comes; nothing is written but the ledger.

    Args:
        file: The file.
        out: The folder of the data, which is held by `alone`.
        limit: Most images.
        budget: Most money; that of the file without it.
        watch: Shows how far the run is.

    Raises:
        DataError: There is no image.
        RunError: It was interrupted, or nothing more can be asked. All replies are kept.
    """
    cache = OcrCache.open(Path(file.ocr)) if file.ocr is not None else None
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        purse = Purse(file.budget if budget is None else budget, spent=ledger.spent())
        callers = {
            name: Caller(
                name=name,
                part=file.models[name],
                price=file.prices.get(name),
                ledger=ledger,
                purse=purse,
                tries=file.tries,
                patience=file.patience,
                seed=file.seed,
            )
            for name in sorted(file.asked)
        }
        work = Work(file, out, ledger, purse, callers, Seen())
        every = (evidence(picture, cache, work.seen) for picture in pictures(file, ledger, work.seen, limit))
        outcomes, images = asyncio.run(_all(work, every, watch))
        return Results.of(work, outcomes, images, cache)


async def _all(work: Work, every: Iterator[Evidence], watch: Watch) -> tuple[list[Outcome], list[Evidence]]:
    """Work on as many images at once as the models take calls."""
    pipeline = Pipeline(work.file, work.callers)
    numbered = enumerate(every)
    outcomes: dict[int, list[Outcome]] = {}
    images: dict[int, Evidence] = {}

    async def one() -> None:
        for place, image in numbered:
            outcomes[place] = await pipeline(image)
            images[place] = evolve(image)  # a copy that holds no image, if this one was read
            watch(len(images), work)

    count = max(1, sum(caller.part.at_once for caller in work.callers.values()))
    try:
        await _together([one() for _ in range(count)], work)
    finally:
        for caller in work.callers.values():
            await caller.close()
    order = sorted(images)
    return [outcome for place in order for outcome in outcomes[place]], [images[place] for place in order]


async def _together(workers: list[Coroutine[Any, Any, None]], work: Work) -> None:
    """Let workers work until all are done, one fails, or a signal comes; then wait for the calls under way."""
    tasks = {asyncio.create_task(worker) for worker in workers}
    with _signalled() as interrupted:
        waiting = asyncio.create_task(interrupted.wait())
        failure: BaseException | None = None
        while tasks and failure is None:
            done, _ = await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
            tasks -= done
            failures = [error for task in done - {waiting} if (error := task.exception())]
            failure = failures[0] if failures else _interruption(work) if waiting in done else None
        waiting.cancel()
        if failure is None:
            return
        await _drain(tasks, work)
    raise failure


async def _drain(tasks: set[asyncio.Task[None]], work: Work) -> None:
    """Send nothing more, and keep what is replied to within some seconds."""
    for caller in work.callers.values():
        caller.stopping = True
    under_way = [future for caller in work.callers.values() for future in caller.under_way.values()]
    if under_way:
        await asyncio.wait(under_way, timeout=DRAIN)
    waited: list[asyncio.Future[Any]] = [*tasks, *under_way]
    for left in waited:
        left.cancel()
    await asyncio.gather(*waited, return_exceptions=True)


def _interruption(work: Work) -> RunError:
    return RunError(f"{work.out}: interrupted; what was replied is kept: run the command again to resume")


@contextmanager
def _signalled() -> Iterator[asyncio.Event]:
    """Catch Ctrl-C, SIGTERM and the end of the terminal, where this is the main thread."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    names = ("SIGINT", "SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    kinds = [
        kind for name in names if (kind := getattr(signal, name, None)) and signal.getsignal(kind) != signal.SIG_IGN
    ]
    for kind in kinds:
        loop.add_signal_handler(kind, event.set)
    try:
        yield event
    finally:
        for kind in kinds:
            loop.remove_signal_handler(kind)
