"""Vicuna's template."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from remgcl import Turn
from remgcl.plugins.templates.v1 import V1

Write = Callable[..., str]

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
)


def test_a_question_and_its_answer_follow_the_system_text(write: Write, one: tuple[Turn, ...]) -> None:
    assert write(V1(), one) == SYSTEM + "USER: [image]\nWhat is it? ASSISTANT:{ A sign.</s>}"


def test_every_answer_is_learned_with_its_end(write: Write, two: tuple[Turn, ...]) -> None:
    assert write(V1(), two) == (
        SYSTEM + "USER: [image]\nWhat is it? ASSISTANT:{ A sign.</s>}USER: Its colour? ASSISTANT:{ Red.</s>}"
    )


def test_without_the_last_answer_the_text_ends_where_it_begins(write: Write, late: tuple[Turn, ...]) -> None:
    assert write(V1(), late) == SYSTEM + "USER: Hello. ASSISTANT:{ Hi!</s>}USER: [image]\nWhat is it? ASSISTANT:"


@pytest.mark.parametrize(("system", "written"), [("", ""), ("Be brief.", "Be brief. ")])
def test_the_system_text_may_be_another_or_none(write: Write, one: tuple[Turn, ...], system: str, written: str) -> None:
    assert write(V1(system=system), one) == written + "USER: [image]\nWhat is it? ASSISTANT:{ A sign.</s>}"


@pytest.mark.parametrize(("end", "written"), [("<|end|>", "<|end|>"), (None, "")])
def test_an_answer_ends_as_the_tokenizer_says(
    write: Write, one: tuple[Turn, ...], end: str | None, written: str
) -> None:
    text = write(V1(system=""), one, SimpleNamespace(eos_token=end))
    assert text == f"USER: [image]\nWhat is it? ASSISTANT:{{ A sign.{written}}}"
