"""A dry run: what will be asked, before anything is."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.chat_server import ChatServer, Said, Script
from remgcl.core.elicitation.estimate import estimate

Serve = Callable[[Script], ChatServer]


def test_it_counts_calls_and_tokens_and_asks_nothing(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(lambda *_: Said()))
    elicitation.table |= {
        "caption": {"model": "writer"},
        "judges": {"form": {}, "blind": {"votes": 3}},
        "prices": {"writer": {"input": 1.0, "output": 2.0}},
    }
    elicitation.table["data"]["samples"] = 1000
    elicitation.table["generators"] = {"reasoning": {"order": "question_first", "per_image": 2, "max_tokens": 300}}
    told = estimate(elicitation.read(), None)
    calls = {each.part: each.calls for each in told.asked}
    assert (told.images, told.candidates) == (1000, 2000)
    assert calls == {"caption": 1000, "reasoning": 4000, "blind": 6000}
    (writing,) = [each for each in told.asked if each.part == "reasoning"]
    assert writing.tokens_out == 4000 * 300
    assert writing.cost == pytest.approx((writing.tokens_in * 1.0 + writing.tokens_out * 2.0) / 1e6)
    assert server.count == 0
    assert not elicitation.out.exists()


def test_an_estimate_of_tokens_is_near_what_is_sent(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(lambda *_: Said()), images=False)
    (told,) = estimate(elicitation.read(), None).asked
    elicitation.run()
    sent = sum(len(str(message["content"])) for body in server.requests for message in body["messages"])
    assert told.tokens_in == pytest.approx(sent / 4, rel=0.1)


def test_a_limit_bounds_it(elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table["generators"] = {"compose": {"per_image": 3}}
    told = estimate(elicitation.read(), 5)
    assert (told.images, told.candidates, told.asked) == (5, 15, ())
