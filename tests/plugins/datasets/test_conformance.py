"""The built-in datasets promise what every dataset does."""

from collections.abc import Callable
from typing import Any

import pytest

from remgcl.plugins.datasets import LlavaJson, Mix, Pages, Synthetic
from remgcl.plugins.datasets.mix import Source
from remgcl.testing import conformance, datasets

TestSynthetic = conformance(Synthetic(samples=12))
TestWords = conformance(Synthetic(samples=4, content="words", length=4, lines=2, size=128, split="held_out"))
TestPages = conformance(Pages(samples=6))
TestMix = conformance(
    Mix(sources=(Source(data=Pages(samples=6), count=3, repeat=2), Source(data=Synthetic(samples=2))))
)


class TestLlavaJson(datasets.Checks):
    """Records with an image, without one, and with regions."""

    @pytest.fixture
    def part(self, dataset: Callable[..., LlavaJson], record: Callable[..., dict[str, Any]]) -> LlavaJson:
        """A dataset of three records."""
        region = {"text": "red", "quad": [[0, 0], [5, 0], [5, 3], [0, 3]], "confidence": 0.5}
        return dataset(
            [
                record("<image>\nWhat is it?", "A colour.", image="red.png", id="one", regions=[region]),
                record("Hello.", "Hi!", "Who are you?", "Nobody.", id="two"),
                record("What is it?\n<image>", "Another colour.", image="blue.png", id="three"),
            ]
        )
