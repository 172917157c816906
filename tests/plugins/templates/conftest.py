"""Conversations, a tokenizer, and pieces written as one text."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from transformers import PreTrainedTokenizerBase

from remgcl import Engine, Piece, Template, Turn

Write: TypeAlias = Callable[..., str]


@pytest.fixture(scope="session")
def tokenizer(engine: Engine) -> PreTrainedTokenizerBase:
    """A tokenizer whose sequences begin with <s> and end with </s>."""
    return engine.registry.find("backbones", "tiny")().build_tokenizer()


@pytest.fixture(scope="session")
def write(tokenizer: PreTrainedTokenizerBase) -> Write:
    """A function that writes a conversation as one text: [image] is the image, {braces} are what is learned."""

    def write(template: Template, conversation: Sequence[Turn], by: object = tokenizer) -> str:
        return "".join(_written(piece) for piece in template.render(conversation, by))

    return write


def _written(piece: Piece) -> str:
    assert not (piece.image and (piece.text or piece.learned))
    if piece.image:
        return "[image]"
    return f"{{{piece.text}}}" if piece.learned else piece.text


@pytest.fixture(scope="session")
def one() -> tuple[Turn, ...]:
    """A question about an image, and its answer."""
    return Turn("user", "What is it?", image=True), Turn("assistant", "A sign.")


@pytest.fixture(scope="session")
def two(one: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Two questions and their answers."""
    return *one, Turn("user", "Its colour?"), Turn("assistant", "Red.")


@pytest.fixture(scope="session")
def late() -> tuple[Turn, ...]:
    """Two questions, of which the second shows the image, and no answer to it."""
    return Turn("user", "Hello."), Turn("assistant", "Hi!"), Turn("user", "What is it?", image=True)
