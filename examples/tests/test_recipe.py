"""Two plugins' losses in one recipe: both are trained with, both are told of."""

import json
from io import StringIO
from pathlib import Path

import pytest
from remgcl import Engine, RunFolder
from rich.console import Console

RECIPE = Path(__file__).parents[1] / "recipe.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The folder of a run of the recipe."""
    engine, folder = Engine.installed(), RunFolder(tmp_path_factory.mktemp("run"))
    engine.run(engine.read(RECIPE), folder, Console(file=StringIO()), RECIPE.name)
    return folder


def test_the_terms_of_two_plugins_stand_in_one_log(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.stage("train").metrics.read_text().splitlines()]
    assert len(lines) == 4
    for line in lines:
        assert set(line["terms"]) == {"language", "hard-negative", "projection-head"}
        assert all(term["loss"] > 0 for term in line["terms"].values())
    weights = [line["terms"]["projection-head"]["weight"] for line in lines]
    assert weights == sorted(weights, reverse=True)
    assert {line["terms"]["hard-negative"]["weight"] for line in lines} == {0.1}


def test_a_run_tells_the_versions_of_its_plugins(run: RunFolder) -> None:
    told = json.loads((run.path / "about.json").read_text())["plugins"]
    assert told["hard-negative"] == "remgcl-hard-negative 0.1.0 (remgcl_hard_negative)"
    assert told["projection-head"] == "remgcl-projection-head 0.1.0 (remgcl_projection_head)"
    assert told["convnext-tower"] == "remgcl-convnext-tower 0.1.0 (remgcl_convnext_tower)"
    assert told["german-stopwords"] == "remgcl-german-stopwords 0.1.0 (remgcl_german_stopwords)"
