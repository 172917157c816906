"""Recipes whose stage starts from a model that was made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from remgcl import Engine, Recipe, RunFolder
from tests.tiny_llava import original, tiny

RECIPE = """
name = "more"
runner = { use = "local", cpu = true, threads = 1 }

[stages.more]
from = "SOURCE"
train = ["projector"]
batch_size = 2
max_length = 256
learning_rate = 1e-3
data = { use = "synthetic", samples = 4, size = 32, font = [8, 10], question = "Read." }
"""

Read = Callable[..., Recipe]
Run = Callable[..., str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model in LLaVA's own layout."""
    return original(tiny(), tmp_path / "llava")


@pytest.fixture
def begin(engine: Engine, tmp_path: Path, source: Path) -> Read:
    """Read a recipe whose stage starts from the source, with overrides."""
    path = tmp_path / "more.toml"
    path.write_text(RECIPE.replace("SOURCE", str(source)))
    return lambda *overrides: engine.read(path, overrides)


@pytest.fixture
def train(engine: Engine, begin: Read, tmp_path: Path) -> Run:
    """Run that recipe, with overrides, in a folder; give what is printed."""

    def go(*overrides: str, folder: str = "run", restart: bool = False) -> str:
        told = StringIO()
        console = Console(file=told, width=500)
        engine.run(begin(*overrides), RunFolder(tmp_path / folder), console, "more.toml", restart=restart)
        return told.getvalue()

    return go
