"""What several tests of the core need: golden data, small models, samples made on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", params=["p14", "p16"])
def golden(request: pytest.FixtureRequest, shared: Path) -> Path:
    """A set of golden data: with 16 x 16 patches of 14 pixels, or 14 x 14 of 16."""
    return shared / "golden" / str(request.param)
