"""An answer piece by piece, while another thread generates it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remgcl.core.model.answering import Answering
    from remgcl.core.model.generate import Watch


def stream(run: Callable[[Watch], list[Answering]]) -> Iterator[str]:
    """Yield the pieces of an answer; together they are its text.

    Args:
        run: Generates one answer, and calls what it is given after each token.

    Raises:
        Exception: What `run` raised.
    """
    pieces: SimpleQueue[str | BaseException | None] = SimpleQueue()
    left = False

    def watch(_: int, answer: Answering) -> None:
        answer.cancelled = answer.cancelled or left
        pieces.put(answer.settled)

    def work() -> None:
        try:
            run(watch)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            pieces.put(error)
        pieces.put(None)

    thread = Thread(target=work, daemon=True)
    thread.start()
    sent = 0
    try:
        while (text := pieces.get()) is not None:
            if isinstance(text, BaseException):
                raise text
            if text[sent:]:
                yield text[sent:]
                sent = len(text)
    finally:
        left = True
        thread.join()
