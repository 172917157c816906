"""Llama 2's template."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from remgcl import Turn
from remgcl.plugins.templates.llama_2 import Llama2

Write = Callable[..., str]

SYSTEM = (
    "<<SYS>>\nYou are a helpful language and vision assistant. You are able to understand the visual content that the "
    "user provides, and assist the user with a variety of tasks using natural language.\n<</SYS>>\n\n"
)


def test_the_system_text_is_inside_the_first_question(write: Write, one: tuple[Turn, ...]) -> None:
    assert write(Llama2(), one) == f"<s>[INST] {SYSTEM}[image]\nWhat is it? [/INST]{{ A sign.</s>}}"


def test_each_question_begins_a_sequence_and_each_answer_ends_it(write: Write, two: tuple[Turn, ...]) -> None:
    assert write(Llama2(), two) == (
        f"<s>[INST] {SYSTEM}[image]\nWhat is it? [/INST]{{ A sign.</s>}}<s>[INST] Its colour? [/INST]{{ Red.</s>}}"
    )


def test_without_the_last_answer_the_text_ends_where_it_begins(write: Write, late: tuple[Turn, ...]) -> None:
    assert write(Llama2(), late) == (
        f"<s>[INST] {SYSTEM}Hello. [/INST]{{ Hi!</s>}}<s>[INST] [image]\nWhat is it? [/INST]"
    )


@pytest.mark.parametrize(("system", "written"), [("", ""), ("Be brief.", "<<SYS>>\nBe brief.\n<</SYS>>\n\n")])
def test_the_system_text_may_be_another_or_none(write: Write, one: tuple[Turn, ...], system: str, written: str) -> None:
    text = write(Llama2(system=system), one)
    assert text == f"<s>[INST] {written}[image]\nWhat is it? [/INST]{{ A sign.</s>}}"


@pytest.mark.parametrize(
    ("begin", "end", "written"),
    [("<a>", "<z>", "<a>[INST] Hi [/INST]{ Ho<z>}"), (None, None, "[INST] Hi [/INST]{ Ho}")],
)
def test_sequences_begin_and_end_as_the_tokenizer_says(
    write: Write, begin: str | None, end: str | None, written: str
) -> None:
    conversation = [Turn("user", "Hi"), Turn("assistant", "Ho")]
    assert write(Llama2(system=""), conversation, SimpleNamespace(bos_token=begin, eos_token=end)) == written
