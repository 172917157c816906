"""What every runner promises: a stage is trained to its end, and what it learned is saved."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import attrs
import pytest

from remgcl.core.engine import Engine
from remgcl.core.errors import RemgclError
from remgcl.core.parts import Runner
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.runs.folder import RunFolder
from remgcl.testing.checks import PartChecks, broken, engine_with

RECIPE = """
name = "conformance"
seed = 3
vision_tower = { use = "tiny", size = [32, 32], channels = [4, 8], strides = [[4, 4], [4, 4]] }
projector = "linear"
backbone = { use = "tiny", width = 16, layers = 1, heads = 2, mlp = 24, max_length = 128 }
runner = "local"

[stages.first]
template = "plain"
train = ["projector", "backbone"]
max_length = 128
batch_size = 2
learning_rate = 1e-2
logging_steps = 1
data = { use = "synthetic", samples = 8, size = 32, font = [8, 10] }
losses = { global = { learned = true } }

[stages.second]
after = "first"
template = "plain"
train = ["projector"]
max_length = 128
batch_size = 2
learning_rate = 1e-2
data = { use = "synthetic", samples = 8, size = 32, font = [8, 10], seed = 1 }
"""
"""A job of seconds, of built-in parts: two stages, the second of which trains the projector alone."""

NUMBERS = ("exact_match", "samples", "samples_per_second", "seconds", "terms")
"""What reports read of a stage's results, where it is given: a number, or a table of them."""

STATES = {"weights", "gradients", "optimizer"}


class Checks(PartChecks):
    """What every runner promises."""

    @pytest.fixture
    def recipe(self, part: Runner, tmp_path: Path) -> Recipe:
        """A job of seconds, for this runner; a subclass may give another."""
        path = tmp_path / "conformance.toml"
        path.write_text(RECIPE, encoding="utf-8")
        return attrs.evolve(engine_with(part).read(path), runner=part)

    def test_its_layout_is_one_that_can_be(self, part: Runner) -> None:
        """`layout` returns the number of processes and what is sharded and offloaded, for estimates."""
        layout = part.layout()
        strange = ({*layout.sharded} | {*layout.offloaded}) - STATES
        if strange or layout.gathered < 0 or (layout.processes is not None and layout.processes < 1):
            raise broken(part, f"layout: is {layout!r}; processes are 1 or more, and states are among {sorted(STATES)}")

    def test_it_verifies_a_usual_recipe(self, part: Runner, recipe: Recipe) -> None:
        """`verify` raises only for faults that would stop the run."""
        try:
            part.verify(recipe)
        except RemgclError as error:
            raise broken(
                part, f"verify: refuses a recipe of built-in parts: {error}; raise only for what would stop it"
            ) from error

    def test_it_trains_every_stage_to_its_end_and_saves_what_was_learned(
        self, part: Runner, recipe: Recipe, tmp_path: Path
    ) -> None:
        """A completed stage is finished and not run again; it changes and saves exactly the parts that it trains.

        Results that reports read are numbers.
        """
        from safetensors.torch import load_file

        run = _trained(part, recipe, tmp_path)
        states = {}
        for name in recipe.stages:
            stage = run.stage(name)
            record = stage.finished()
            if record is None:
                raise broken(part, f"run: leaves stage {name!r} unfinished; end it with job.finish(objective, results)")
            files = sorted(stage.model.glob("*.safetensors"))
            states[name] = {f"{file.stem}.{key}": value for file in files for key, value in load_file(file).items()}
            _told_in_numbers(part, name, record)
        before, after = states["first"], states["second"]
        changed = {key.partition(".")[0] for key in after if key in before and not after[key].equal(before[key])}
        if changed != {"projector"}:
            raise broken(
                part, f"run: a stage that trains the projector changes {sorted(changed)}; train only what the job names"
            )
        if not run.stage("first").loss("global").exists():
            raise broken(part, "run: what a loss learned is not saved; end with job.finish(objective, results)")
        models = {path: path.read_bytes() for path in run.path.rglob("model/*")}
        printed = _told(part, recipe, run)
        if printed.count("finished already") != len(states) or any(
            path.read_bytes() != models[path] for path in models
        ):
            raise broken(
                part, f"run: the same run again prints {printed!r}; a finished stage must not be trained again"
            )


def _told_in_numbers(part: Runner, stage: str, record: Mapping[str, Any]) -> None:
    """Raise unless results are numbers, wherever they have names that reports read."""
    for name, value in _leaves(record["results"]).items():
        number = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        if name.partition(".")[0] in NUMBERS and not number:
            raise broken(part, f"run: finishes stage {stage!r} with {name} = {value!r}; reports read a number there")


def _leaves(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name every value of nested tables by its path, dots between."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _trained(part: Runner, recipe: Recipe, folder: Path) -> RunFolder:
    run = RunFolder(folder / "run")
    try:
        _told(part, recipe, run)
    except RemgclError as error:
        raise broken(part, f"run: cannot finish a job of built-in parts: {error}") from error
    return run


def _told(part: Runner, recipe: Recipe, run: RunFolder) -> str:
    from rich.console import Console

    engine: Engine = engine_with(part)
    printed = StringIO()
    engine.run(recipe, run, Console(file=printed, width=500), "conformance.toml")
    return printed.getvalue()
