"""How many calls are under way: halved where a model is busy, slowly more again."""

import asyncio
from time import monotonic

import pytest

from remgcl import RunError
from remgcl.core.elicitation.pace import Pace


def test_no_more_calls_than_allowed_are_under_way() -> None:
    async def most() -> int:
        pace, now, highest = Pace(3, 60.0), 0, 0

        async def call() -> None:
            nonlocal now, highest
            async with pace.turn():
                now += 1
                highest = max(highest, now)
                await asyncio.sleep(0.001)
                now -= 1

        await asyncio.gather(*(call() for _ in range(30)))
        return highest

    assert asyncio.run(most()) == 3


def test_calls_that_were_under_way_together_halve_it_once() -> None:
    pace = Pace(16, 60.0)
    begun = monotonic()
    for _ in range(16):
        pace.busy(begun, 0.0)
    assert (pace.limit, pace.pauses) == (8.0, 1)
    pace.busy(monotonic(), 0.0)
    assert pace.limit == 4.0


def test_it_creeps_up_with_replies_and_not_beyond_the_most() -> None:
    pace = Pace(8, 60.0)
    pace.busy(monotonic(), 0.0)
    before = pace.limit
    pace.replied()
    assert before < pace.limit < before + 1
    for _ in range(200):
        pace.replied()
    assert pace.limit == 8.0


def test_all_wait_as_long_as_the_server_asks() -> None:
    async def waited() -> float:
        pace, begun = Pace(4, 60.0), monotonic()
        pace.busy(begun, 0.2)
        async with pace.turn():
            return monotonic() - begun

    assert asyncio.run(waited()) >= 0.2


def test_a_model_that_is_busy_for_too_long_ends_the_run() -> None:
    pace = Pace(4, -1.0)
    with pytest.raises(RunError, match="without one reply; what was replied is kept: run the command again to resume"):
        pace.busy(monotonic(), None)
