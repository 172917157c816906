"""Batches: a question never fails because of another."""

from collections.abc import Sequence
from typing import Any

import pytest

from remgcl import RunError
from remgcl.core.inference.loaded import LoadedModel
from remgcl.core.model.decoding import Decoding
from remgcl.core.serving.batcher import Batcher


class Fragile:
    """A model that fails whenever a batch holds a question of four tokens' limit."""

    name = "fragile"

    def __init__(self, model: LoadedModel) -> None:
        """Wrap a model."""
        self.model = model
        self.sizes: list[int] = []

    def decode(self, prompts: Sequence[Any], watch: Any) -> Any:  # noqa: ANN401 - as the model's
        """Fail, or answer."""
        self.sizes.append(len(prompts))
        if any(prompt.limit == 4 for prompt in prompts):
            raise RunError("a bad question")
        return self.model.decode(prompts, watch)


def test_a_bad_question_does_not_fail_its_batch(asked_model: LoadedModel) -> None:
    fragile = Fragile(asked_model)
    batcher = Batcher(fragile, batch_size=4, wait_seconds=0.5)  # type: ignore[arg-type] - it decodes
    tickets = [batcher.submit(asked_model.prepare("What?", Decoding(max_new_tokens=limit))) for limit in (3, 4, 5)]
    answers = [asked_model.ask(None, "What?", max_new_tokens=limit) for limit in (3, 5)]
    assert tickets[0].answer.result(60) == answers[0]
    assert tickets[2].answer.result(60) == answers[1]
    with pytest.raises(RunError, match="a bad question"):
        tickets[1].answer.result(60)
    batcher.close()
    assert fragile.sizes == [3, 1, 1, 1]


def test_a_short_answer_does_not_wait_for_a_long_one(asked_model: LoadedModel) -> None:
    batcher = Batcher(asked_model, batch_size=2, wait_seconds=0.5)
    long = batcher.submit(asked_model.prepare("What?", Decoding(max_new_tokens=200, temperature=2.0, seed=1)))
    short = batcher.submit(asked_model.prepare("What?", Decoding(max_new_tokens=1)))
    assert short.answer.result(60).tokens == 1
    assert not long.answer.done()
    long.cancel()
    batcher.close()
    assert long.answer.result(60).tokens < 200


def test_questions_that_nobody_waits_for_are_not_asked(asked_model: LoadedModel) -> None:
    sizes: list[int] = []
    batcher = Batcher(asked_model, batch_size=8, wait_seconds=0.2, on_batch=sizes.append)
    tickets = [batcher.submit(asked_model.prepare("What?", Decoding(max_new_tokens=2))) for _ in range(4)]
    for ticket in tickets[1:]:
        ticket.cancel()
    assert tickets[0].answer.result(60)
    batcher.close()
    assert sum(sizes) <= 4
    assert not batcher.alive
