"""A run folder for the tests of this room."""

from pathlib import Path

import pytest

from remgcl import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run folder that is not there yet."""
    return RunFolder(tmp_path / "runs" / "small")
