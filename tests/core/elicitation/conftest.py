"""A folder of images with text, an elicitation file about them, and a server that plays a script."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from bench.chat_server import ChatServer, Script, chat_server
from remgcl import Engine
from remgcl.core.elicitation.file import ElicitFile, read_file
from remgcl.core.elicitation.results import Results
from remgcl.core.elicitation.run import alone, run
from remgcl.core.elicitation.write import write_all
from remgcl.core.recipe.structure import Structure

Serve = Callable[[Script], ChatServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, which end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(chat_server(script))


class Elicitation:
    """An elicitation file that can be changed, and run."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        """Begin with drawn pages and a generator that asks."""
        self.engine = engine
        self.folder = folder
        self.out = folder / "out"
        self.table: dict[str, Any] = {
            "name": "made",
            "data": {"use": "pages", "samples": 12, "size": 128, "rows": [2, 3]},
            "generators": {"reasoning": {}},
        }

    def ask(self, server: ChatServer, **settings: object) -> None:
        """Ask the model of a server."""
        model = {"use": "openai", "model": "scripted", "base_url": server.url, "concurrency": 8, "timeout": 5.0}
        self.table.setdefault("models", {})["writer"] = {**model, **settings}

    def path(self) -> Path:
        """Write the file."""
        path = self.folder / "elicit.toml"
        path.write_text(tomli_w.dumps(self.table))
        return path

    def read(self) -> ElicitFile:
        """Read the file."""
        return read_file(self.path(), (), self.engine.registry)

    def run(self, limit: int | None = None, budget: float | None = None) -> Results:
        """Run it, and write what comes."""
        file = self.read()
        with alone(self.out):
            results = run(file, self.out, limit=limit, budget=budget, watch=lambda *_: None)
            write_all(results, file, Structure(self.engine.registry).write(file), self.out)
        return results

    def lines(self) -> list[dict[str, Any]]:
        """Read the provenance."""
        return [json.loads(line) for line in (self.out / "provenance.jsonl").read_text().splitlines()]

    def data(self) -> list[dict[str, Any]]:
        """Read the data."""
        data: list[dict[str, Any]] = json.loads((self.out / "data.json").read_text())
        return data


@pytest.fixture
def elicitation(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elicitation:
    """An elicitation of drawn pages; waits between tries are short."""
    monkeypatch.setattr("remgcl.core.elicitation.calls.LONGEST_WAIT", 0.02)
    return Elicitation(engine, tmp_path)
