"""The template of ChatML."""

from collections.abc import Callable

import pytest

from remgcl import Turn
from remgcl.plugins.templates.chatml import ChatML

Write = Callable[..., str]

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ONE = "<|im_start|>user\n[image]\nWhat is it?<|im_end|>\n<|im_start|>assistant\n{A sign.<|im_end|>}\n"


def test_each_turn_is_a_block(write: Write, one: tuple[Turn, ...]) -> None:
    assert write(ChatML(), one) == SYSTEM + ONE


def test_every_answer_is_learned_with_its_end(write: Write, two: tuple[Turn, ...]) -> None:
    second = "<|im_start|>user\nIts colour?<|im_end|>\n<|im_start|>assistant\n{Red.<|im_end|>}\n"
    assert write(ChatML(), two) == SYSTEM + ONE + second


def test_without_the_last_answer_the_text_ends_where_it_begins(write: Write, late: tuple[Turn, ...]) -> None:
    assert write(ChatML(), late) == SYSTEM + (
        "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n{Hi!<|im_end|>}\n"
        "<|im_start|>user\n[image]\nWhat is it?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(("system", "written"), [("", ""), ("Be brief.", "<|im_start|>system\nBe brief.<|im_end|>\n")])
def test_the_system_text_may_be_another_or_none(write: Write, one: tuple[Turn, ...], system: str, written: str) -> None:
    assert write(ChatML(system=system), one) == written + ONE
