"""What several tests need: golden data, an engine, small parts made on the spot."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from remgcl import Engine

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach a network

settings.register_profile("patient", deadline=None)  # a busy machine is no fault
settings.register_profile("ci", deadline=None, derandomize=True)  # what lands must not depend on luck
settings.load_profile("ci" if "CI" in os.environ else "patient")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden data and images; tests that need it skip where it is absent."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("the golden data recorded from the published code are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine of all installed plugins."""
    return Engine.installed()
