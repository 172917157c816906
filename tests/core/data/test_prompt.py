"""Prompts that are too long: shortened from their oldest text, with question and mark in place."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from remgcl import Template, Turn
from remgcl.core.data.prompt import Write, fit_prompt, shortened
from remgcl.core.data.tokens import IMAGE, Tokens, tokenize
from remgcl.plugins.templates.chatml import ChatML
from remgcl.plugins.templates.v1 import V1

IMAGE_TOKENS = 5
texts = st.text("ab \n", max_size=9)
TALK = (
    Turn("user", "an old question", image=True),
    Turn("assistant", "an old answer"),
    Turn("user", "another one"),
    Turn("assistant", "its answer"),
    Turn("user", "What is it?"),
)


def writer(template: Template, tokenizer: PreTrainedTokenizerBase) -> Write:
    """Make what writes turns by a template."""
    return lambda turns: tokenize(template.render(turns, tokenizer), tokenizer)


def size(tokens: Tokens) -> int:
    """Count the tokens of a prompt, those of the image included."""
    return len(tokens.ids) + (IMAGE_TOKENS - 1) * int((tokens.ids == IMAGE).sum())


def text(tokens: Tokens, tokenizer: PreTrainedTokenizerBase) -> str:
    """Read a prompt; `#` stands for the image."""
    parts = np.split(tokens.ids, np.flatnonzero(tokens.ids == IMAGE))
    return "#".join(tokenizer.decode(part[part != IMAGE]) for part in parts)


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        (0, "<s>USER: #\nan old question ASSISTANT: an old answer</s>USER: another one ASSISTANT: its answer</s>"),
        (9, "<s>USER: #\nestion ASSISTANT: an old answer</s>USER: another one ASSISTANT: its answer</s>"),
        (27, "<s>USER: #\n ASSISTANT: r</s>USER: another one ASSISTANT: its answer</s>"),
        (39, "<s>USER: #\n ASSISTANT: </s>USER:  ASSISTANT: its answer</s>"),
        (49, "<s>USER: #\n ASSISTANT: </s>"),
    ],
)
def test_the_oldest_text_goes_first_and_the_question_stays(
    dropped: int, expected: str, bytewise: PreTrainedTokenizerBase
) -> None:
    write = writer(V1(system=""), bytewise)
    length = size(write(TALK)) - dropped

    prompt = fit_prompt(TALK, write, length, IMAGE_TOKENS)

    assert text(prompt, bytewise) == f"{expected}USER: What is it? ASSISTANT:"
    assert size(prompt) <= length
    assert prompt.cut == size(write(TALK)) - size(prompt)


def test_a_question_that_alone_is_too_long_keeps_its_end_and_the_mark(bytewise: PreTrainedTokenizerBase) -> None:
    asked = (Turn("user", "word " * 100 + "What is it?", image=True),)

    prompt = fit_prompt(asked, writer(V1(system=""), bytewise), 40, IMAGE_TOKENS)

    assert text(prompt, bytewise) == "<s>USER: #\nword What is it? ASSISTANT:"
    assert prompt.cut == 495


def test_a_prompt_that_fits_is_left_as_it_is(bytewise: PreTrainedTokenizerBase) -> None:
    write = writer(V1(system=""), bytewise)

    prompt = fit_prompt(TALK, write, size(write(TALK)), IMAGE_TOKENS)

    assert prompt.ids.tolist() == write(TALK).ids.tolist()
    assert prompt.cut == 0


@pytest.mark.parametrize("length", [34, 60, 120])
def test_a_system_text_without_room_loses_its_beginning_and_the_question_nothing(
    length: int, bytewise: PreTrainedTokenizerBase
) -> None:
    prompt = fit_prompt(TALK[-1:], writer(V1(), bytewise), length, IMAGE_TOKENS)

    assert size(prompt) == length
    assert prompt.ids[0] == bytewise.bos_token_id
    assert text(prompt, bytewise).endswith(" USER: What is it? ASSISTANT:")


def test_the_image_stays_in_the_smallest_room(bytewise: PreTrainedTokenizerBase) -> None:
    prompt = fit_prompt((Turn("user", "What?", image=True),), writer(V1(), bytewise), IMAGE_TOKENS + 1, IMAGE_TOKENS)

    assert text(prompt, bytewise) == "#:"


@pytest.mark.parametrize("template", [V1(system=""), ChatML(system="")], ids=["v1", "chatml"])
@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.text("ab \n", max_size=9), st.text("ab \n", max_size=9)), max_size=3), st.integers(70, 200)
)
def test_question_and_mark_end_every_prompt(
    bytewise: PreTrainedTokenizerBase, template: Template, said: Sequence[tuple[str, str]], length: int
) -> None:
    talk = [turn for q, a in said for turn in (Turn("user", q), Turn("assistant", a))]
    end = template.render([Turn("user", "What is it?")], bytewise)

    prompt = fit_prompt([*talk, Turn("user", "What is it?")], writer(template, bytewise), length, IMAGE_TOKENS)

    assert text(prompt, bytewise).endswith("".join(piece.text for piece in end))
    assert size(prompt) <= length


def test_an_exchange_without_text_goes_unless_it_shows_the_image() -> None:
    assert shortened(TALK, 28) == (Turn("user", "", image=True), Turn("assistant", ""), *TALK[2:])
    assert shortened(TALK[2:], 21) == (Turn("user", "What is it?"),)
    assert shortened(TALK[2:], 1000) == (Turn("user", ""),)
