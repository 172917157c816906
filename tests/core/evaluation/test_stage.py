"""Stages that are evaluated once they are finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remgcl import Engine, FaultsError, Recipe, RecipeError
from remgcl.cli import app
from tests.small_recipe import RECIPE

Read = Callable[..., Recipe]

EVALUATED = """
[stages.first.evaluation.synthetic]
samples = 1
lengths = [2]
heights = [8, 10]
size = 32

[stages.first.evaluation.held-out]
use = "samples"
data = { use = "synthetic", samples = 2, size = 32, font = [8, 10], split = "held_out" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The small recipe with two benchmarks for its first stage."""
    path = tmp_path / "small.toml"
    path.write_text(RECIPE + EVALUATED)
    return path


def test_a_run_evaluates_its_stage_and_asks_nothing_twice(file: Path, tmp_path: Path) -> None:
    command = ["run", str(file), "--folder", str(tmp_path / "run")]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "synthetic:exact: 0 by rule exact, 2 questions" in first.output
    assert "samples:plain: 0 by rule exact, 2 questions" in first.output
    folder = tmp_path / "run" / "first" / "evaluation"
    assert sorted(each.name for each in folder.iterdir()) == ["held-out", "synthetic"]
    scores = json.loads((folder / "synthetic" / "scores.json").read_text())
    assert scores["count"] == 2
    assert scores["by"]["type x height"] == {
        f"digits, 2 long x {height}": {"count": 1, "score": 0.0} for height in (8, 10)
    }
    before = {each: each.stat().st_mtime_ns for each in folder.rglob("*.json*")}
    more = (
        file.read_text() + '\n[stages.first.evaluation.later]\nuse = "synthetic"\nsamples = 1\nlimit = 1\nsize = 64\n'
    )
    file.write_text(more)
    second = CliRunner().invoke(app, command)
    assert second.exit_code == 0, second.output
    assert "first: finished already" in second.output  # what it is evaluated on is not what it is made of
    assert {each: each.stat().st_mtime_ns for each in before} == before
    assert (folder / "later" / "scores.json").exists()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("stages.first.evaluation.textvqa.folder=nowhere", r"stages\.first\.evaluation: nowhere: there is no 'TextVQA"),
        ("stages.first.evaluation.synthetic.protocol=exakt", r"stages\.first\.evaluation: .*did you mean 'exact'"),
    ],
)
def test_what_cannot_be_asked_is_found_before_the_training(
    override: str, told: str, file: Path, engine: Engine
) -> None:
    with pytest.raises(FaultsError, match=told):
        engine.check(engine.read(file, [override]), "small.toml")


def test_a_benchmark_with_a_judge_is_refused_in_a_recipe(file: Path, engine: Engine, tmp_path: Path) -> None:
    from tests.plugins.benchmarks.layouts import mm_vet

    mm_vet(tmp_path / "vet")
    override = f"stages.first.evaluation.mm-vet.folder={tmp_path / 'vet'}"
    with pytest.raises(FaultsError, match=r"stages\.first\.evaluation\.mm-vet: is scored by a judge, which no recipe"):
        engine.check(engine.read(file, [override]), "small.toml")


def test_an_unknown_benchmark_offers_the_nearest(file: Path, engine: Engine) -> None:
    with pytest.raises(RecipeError, match=r"stages\.first\.evaluation\.ocrbensh.*did you mean 'ocrbench'"):
        engine.read(file, ["stages.first.evaluation.ocrbensh.limit=3"])
