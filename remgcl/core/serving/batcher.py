"""A thread that answers waiting questions in batches.

Each answer returns as soon as it has ended, whatever the others of its batch
still do. A batch that fails is tried again one by one, so that a question
never fails because of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from attrs import define, field

from remgcl.core.inference.answer import Answer

if TYPE_CHECKING:
    from remgcl.core.inference.loaded import LoadedModel
    from remgcl.core.model.answering import Answering
    from remgcl.core.model.generate import Prompt

OnText = Callable[[str], None]
"""Is called with the settled beginning of an answer, each time it may have grown."""


@define(eq=False)
class Ticket:
    """A question that waits for its answer.

    Attributes:
        prompt: The question.
        on_text: Sees the answer while it grows.
        cancelled: Whether nobody waits for it any more.
        answer: The answer, or the error.
    """

    prompt: Prompt
    on_text: OnText | None = None
    cancelled: bool = False
    answer: Future[Answer] = field(factory=Future)

    def cancel(self) -> None:
        """Cancel it; a running answer ends with its next token."""
        self.cancelled = True


class Batcher:
    """Answers questions of many threads with one model."""

    def __init__(
        self, model: LoadedModel, batch_size: int, wait_seconds: float, on_batch: Callable[[int], None] | None = None
    ) -> None:
        """Start the thread.

        Args:
            model: The model.
            batch_size: Questions answered at once.
            wait_seconds: How long the first question of a batch waits for others.
            on_batch: Is called with the size of each batch.
        """
        self.model = model
        self.batch_size = batch_size
        self.wait_seconds = wait_seconds
        self._on_batch = on_batch
        self._waiting: SimpleQueue[Ticket | None] = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True, name=f"answers of {model.name}")
        self._thread.start()

    def submit(self, prompt: Prompt, on_text: OnText | None = None) -> Ticket:
        """Put a question into the queue.

        Args:
            prompt: What the model's `prepare` returned.
            on_text: Sees the answer while it grows, in the batcher's thread.
        """
        ticket = Ticket(prompt, on_text)
        ticket.answer.set_running_or_notify_cancel()  # only the thread ends it
        self._waiting.put(ticket)
        return ticket

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return self._waiting.qsize()

    @property
    def alive(self) -> bool:
        """Whether questions are answered."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the thread once all questions are answered."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch, last = self._next()
            if batch:
                self._answer(batch)
            if last:
                return

    def _next(self) -> tuple[list[Ticket], bool]:
        """Wait for a question, and take those that come right after it; and whether it is the last batch."""
        batch: list[Ticket] = []
        deadline: float | None = None
        while len(batch) < self.batch_size:
            try:
                left = None if deadline is None else max(deadline - monotonic(), 0)
                ticket = self._waiting.get(timeout=left) if left != 0 else self._waiting.get_nowait()
            except Empty:
                break
            if ticket is None:
                return batch, True
            if not ticket.cancelled:
                batch.append(ticket)
                deadline = deadline or monotonic() + self.wait_seconds
        return batch, False

    def _answer(self, batch: Sequence[Ticket]) -> None:
        """Answer a batch; one by one if that fails."""
        if self._on_batch is not None:
            self._on_batch(len(batch))
        try:
            self.model.decode([ticket.prompt for ticket in batch], lambda row, answer: _see(batch[row], answer))
        except Exception as error:  # noqa: BLE001 - it is the answer of whoever asked
            left = [ticket for ticket in batch if not ticket.answer.done()]
            if len(batch) > 1:
                for ticket in left:
                    self._answer([ticket])
                return
            for ticket in left:
                ticket.answer.set_exception(error)


def _see(ticket: Ticket, answer: Answering) -> None:
    """Hand what is new of an answer to whoever waits for it."""
    answer.cancelled = answer.cancelled or ticket.cancelled
    if ticket.on_text is not None and not ticket.cancelled:
        try:
            ticket.on_text(answer.settled)
        except RuntimeError:  # the loop of whoever asked has ended
            ticket.cancel()
    if answer.over and not ticket.answer.done():
        ticket.answer.set_result(Answer.of(ticket.prompt, answer))
