"""Real photographs and conversations, through the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remgcl.cli import app

RECIPE = "tests/data/real_input.toml"
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _at_the_root(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call commands at the root of the checkout, beside the golden data."""
    assert shared.is_dir()
    monkeypatch.chdir(ROOT)


def test_the_recipe_is_checked() -> None:
    result = CliRunner().invoke(app, ["check", RECIPE])
    assert result.exit_code == 0, result.output
    assert "5 (4 with image)" in result.output
    assert "2,179,392" in result.output


def test_the_model_learns_from_photographs_and_conversations(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", RECIPE, "--folder", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "run/remgcl/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 16
    losses = [{name: term["loss"] for name, term in line["terms"].items()} for line in lines]
    assert losses[-1]["language"] < losses[0]["language"] - 1
    compared = {name for each in losses for name in ("global", "sliding-window") if (each[name] or 0) > 0}
    assert compared == {"global", "sliding-window"}
    results = json.loads((tmp_path / "run/remgcl/stage.json").read_text())["results"]
    assert results["samples"] == 40
    assert set(results["left_out"].values()) == {0}
