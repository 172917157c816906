"""Answers: which are right, and how many."""

from collections.abc import Callable

import pytest
from attrs import evolve

from remgcl import Sample, Turn
from remgcl.core.evaluation.answers import Answered, exact_match

Ask = Callable[..., Sample]


@pytest.mark.parametrize("said", ["a stop", " a stop", "a stop\n", "\t a stop  "])
@pytest.mark.parametrize("true", ["a stop", "  a stop ", "a stop\n"])
def test_an_answer_is_right_but_for_space_around_it(said: str, true: str, ask: Ask) -> None:
    assert Answered(ask(true, size=None), said).right


@pytest.mark.parametrize("said", ["", "a  stop", "A stop", "a stop.", "a stop sign", "stop", "What?"])
def test_any_other_answer_is_not(said: str, ask: Ask) -> None:
    assert not Answered(ask("a stop", size=None), said).right


def test_the_true_answer_is_the_last_turn(ask: Ask) -> None:
    sample = ask("first", size=None)
    longer = evolve(sample, turns=(*sample.turns, Turn("user", "And?"), Turn("assistant", "second")))

    assert Answered(longer, "second").right
    assert not Answered(longer, "first").right


@pytest.mark.parametrize(
    ("said", "share"), [(["x"], 0), (["yes"], 1), (["yes", "x", "y", "z"], 0.25), (["yes", "yes", "x"], 2 / 3)]
)
def test_the_exact_match_is_the_share_of_right_answers(said: list[str], share: float, ask: Ask) -> None:
    assert exact_match([Answered(ask(size=None), answer) for answer in said]) == pytest.approx(share)
