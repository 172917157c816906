"""The template of LLaVA's pretraining."""

from collections.abc import Callable

from remgcl import Turn
from remgcl.plugins.templates.plain import Plain

Write = Callable[..., str]


def test_the_image_is_followed_by_the_answer_and_a_line_break(write: Write, one: tuple[Turn, ...]) -> None:
    assert write(Plain(), one) == "[image]{A sign.\n}"


def test_what_the_user_says_is_left_out_of_every_turn(write: Write, two: tuple[Turn, ...]) -> None:
    assert write(Plain(), two) == "[image]{A sign.\n}{Red.\n}"


def test_without_the_answer_the_text_ends_at_the_image(write: Write, one: tuple[Turn, ...]) -> None:
    assert write(Plain(), one[:1]) == "[image]"


def test_the_image_stands_where_its_turn_does(write: Write, late: tuple[Turn, ...]) -> None:
    assert write(Plain(), late) == "{Hi!\n}[image]"


def test_without_an_image_there_are_answers_only(write: Write) -> None:
    assert write(Plain(), [Turn("user", "Hello."), Turn("assistant", "Hi!")]) == "{Hi!\n}"
