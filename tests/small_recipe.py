"""A recipe that trains in seconds, and a way to run it."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TypeAlias

import pytest
from rich.console import Console

from remgcl import Engine, Recipe, RunFolder

RECIPE = """
name = "small"
vision_tower = { use = "tiny", size = [32, 32], channels = [8, 16], strides = [[4, 4], [2, 2]] }
projector = "linear"
backbone = { use = "tiny", width = 32, layers = 1, mlp = 32 }
runner = { use = "local", cpu = true, threads = 1 }

[stages.first]
template = "plain"
train = ["vision_tower", "projector", "backbone"]
batch_size = 4
logging_steps = 2
data = { use = "synthetic", samples = 16, size = 32, font = [8, 10] }
losses = { refined-local = {}, global = { weight = 0.5 } }

[stages.first.validation]
batch_size = 4
max_new_tokens = 4
pictures = 3
data = { use = "synthetic", samples = 6, size = 32, font = [8, 10], split = "held_out" }

[stages.second]
after = "first"
template = { use = "v1", system = "" }
train = ["projector"]
batch_size = 4
data = { use = "synthetic", samples = 8, size = 32, font = [8, 10] }
"""

Run: TypeAlias = Callable[..., str]


@pytest.fixture(scope="session")
def small() -> str:
    """The text of the small recipe."""
    return RECIPE


@pytest.fixture
def read(engine: Engine, tmp_path: Path) -> Callable[..., Recipe]:
    """Read the small recipe, with overrides."""
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return lambda *overrides: engine.read(path, overrides)


@pytest.fixture
def run(engine: Engine, read: Callable[..., Recipe], tmp_path: Path) -> Run:
    """Run the small recipe, with overrides, in `tmp_path / "run"`; give what is told."""

    def go(*overrides: str) -> str:
        told = StringIO()
        engine.run(read(*overrides), RunFolder(tmp_path / "run"), Console(file=told, width=200), "small.toml")
        return told.getvalue()

    return go
