"""The built-in text filter promises what every text filter does."""

from pathlib import Path

import pytest

from remgcl.plugins.text_filters import StopWords
from remgcl.testing import conformance, text_filters

TestStopWords = conformance(StopWords())


class TestWordsOfYourOwn(text_filters.Checks):
    """A list from a file."""

    @pytest.fixture
    def part(self, tmp_path: Path) -> StopWords:
        """The filter of a list of two words."""
        (tmp_path / "words.txt").write_text("the\nsign says\n")
        return StopWords(words=str(tmp_path / "words.txt"))
