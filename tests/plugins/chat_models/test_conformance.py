"""The built-in chat models promise what every chat model does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl.plugins.chat_models import OpenAi, Remgcl, Scripted, Transformers
from remgcl.testing import chat_models, conformance

TestScripted = conformance(Scripted(replies=("yes",), concurrency=3))
TestScriptedBlind = conformance(Scripted(replies=("yes",), images=False))


class TestRemgcl(chat_models.Checks):
    """A run with random weights, nearly."""

    @pytest.fixture
    def part(self, trained: Path) -> Remgcl:
        """The part."""
        return Remgcl(model=str(trained), device="cpu", batch_size=3)


class TestTransformers(chat_models.Checks):
    """A tiny LLaVA in transformers' layout."""

    @pytest.fixture
    def part(self, vision_folder: str) -> Transformers:
        """The part."""
        return Transformers(model=vision_folder, device="cpu", batch_size=3)


class TestTransformersText(chat_models.Checks):
    """A tiny text model."""

    @pytest.fixture
    def part(self, text_folder: str) -> Transformers:
        """The part."""
        return Transformers(model=text_folder, device="cpu", batch_size=3)


class TestOpenAi(chat_models.Checks):
    """An endpoint that says what is said."""

    @pytest.fixture
    def part(self, endpoint: Callable[..., Any]) -> OpenAi:
        """The part."""
        pytest.importorskip("openai", reason="the extra 'openai' is not installed")
        return OpenAi(model="any", base_url=endpoint().url)
