"""The plugins of the documentation are installed as written, checked, and trained for some steps."""

import ast
import importlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console

import remgcl
from remgcl import Engine, Features, RecipeError, RunFolder
from remgcl.core.grid.collect import collect
from remgcl.core.grid.folder import GridFolder
from remgcl.core.grid.plan import GridPlan, plan_grid, read_grid
from remgcl.core.grid.report.write import write_report
from remgcl.core.grid.run import Run
from remgcl.core.model.probe import random_features, try_loss
from remgcl.core.registry import loading as plugins

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
LOSS, TOWER = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
PROJECT, RECIPE, GRID, SWITCHED_OFF = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)

SMALL = """
name = "small"
vision_tower = { use = "tiny", size = [32, 32], channels = [8, 16], strides = [[4, 4], [2, 2]] }
projector = "linear"
backbone = { use = "tiny", width = 32, layers = 1, mlp = 32 }
runner = { use = "local", cpu = true, threads = 1 }

[stages.remgcl]
template = "plain"
train = ["vision_tower", "projector", "backbone"]
batch_size = 4
logging_steps = 1
learning_rate = 1e-2
data = { use = "synthetic", samples = 24, size = 32, font = [8, 10] }
"""

Install = Callable[[str, str], Engine]


@pytest.fixture
def install(install_plugin: Callable[..., Path]) -> Install:
    """Install a plugin by its module and its text, as the documentation declares it."""

    def install(module: str, text: str) -> Engine:
        name = module.removeprefix("remgcl_").replace("_", "-")
        install_plugin(module.replace("_", "-"), text, point=name, version="0.1.0")
        return Engine.installed()

    return install


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Check a small recipe with overrides, train it, and give what was logged."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)

    def train(engine: Engine, *overrides: str) -> list[dict[str, Any]]:
        recipe = engine.read(path, overrides)
        assert engine.check(recipe, str(path)).stages["remgcl"].steps == 6
        folder = RunFolder(tmp_path / "run")
        engine.run(recipe, folder, Console(file=StringIO()), str(path))
        return [json.loads(line) for line in folder.stage("remgcl").metrics.read_text().splitlines()]

    return train


@pytest.fixture
def loss(install: Install) -> Any:  # noqa: ANN401 - a class of the documentation
    """The class of the documented loss."""
    return install("remgcl_hard_negative", LOSS).registry.find("losses", "hard-negative")


def body_of(text: str, method: str) -> list[str]:
    """Give the lines of a method's body, without its docstring and blank lines."""
    (found,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name == method)
    statements = found.body[1:] if ast.get_docstring(found) else found.body
    lines = text.splitlines()[statements[0].lineno - 1 : found.end_lineno]
    return [line for line in lines if line.strip()]


def test_the_body_of_the_loss_has_at_most_15_lines() -> None:
    assert len(body_of(LOSS, "__call__")) <= 15


def test_the_loss_is_declared_as_its_module_is_called() -> None:
    told = tomllib.loads(PROJECT)
    assert told["project"]["entry-points"]["remgcl"] == {"hard-negative": "remgcl_hard_negative"}
    assert told["tool"]["hatch"]["build"]["targets"]["wheel"]["include"] == ["remgcl_hard_negative.py"]
    assert "`remgcl_hard_negative.py`" in TEXT
    assert "`remgcl_patchwise.py`" in TEXT


def test_the_loss_is_installed_checked_and_trained(
    install: Install, train: Callable[..., list[dict[str, Any]]]
) -> None:
    engine = install("remgcl_hard_negative", LOSS)
    logged = train(engine, "stages.remgcl.losses.hard-negative.weight=0.5")
    assert len(logged) == 6
    assert logged[-1]["terms"]["hard-negative"]["weight"] == 0.5
    assert logged[-1]["terms"]["hard-negative"]["loss"] < logged[0]["terms"]["hard-negative"]["loss"]


def test_the_loss_is_that_of_the_plainest_loop(loss: Any, engine: Engine) -> None:  # noqa: ANN401 - a class of the documentation
    features = random_features(engine.registry.find("vision_towers", "tiny")().spec(), 8)  # type: ignore[attr-defined]
    features.answer_mask[0, 2:] = False
    images = [patches.mean(dim=0) for patches in features.patches]
    answers = [answer[mask].mean(dim=0) for answer, mask in zip(features.answer, features.answer_mask, strict=True)]
    due = torch.tensor(0.0)
    for i, image in enumerate(images):
        logits = torch.stack([torch.cosine_similarity(image, answer, dim=0) for answer in answers])
        logits[i] -= 0.2
        due = due - (logits / 0.5).log_softmax(dim=0)[i] / len(images)
    torch.testing.assert_close(loss(temperature=0.5, margin=0.2)(features), due)


def test_the_loss_of_a_batch_without_images_or_with_one_is_zero(loss: Any, engine: Engine) -> None:  # noqa: ANN401 - a class of the documentation
    spec = engine.registry.find("vision_towers", "tiny")().spec()  # type: ignore[attr-defined]
    whole = random_features(spec, 8)
    for count in (0, 1):
        some = {name: getattr(whole, name)[:count] for name in ("patches", "patch_mask", "image_sample", "image_key")}
        kept = {name: getattr(whole, name) for name in ("grid", "answer", "answer_mask", "answer_key", "regions")}
        value = loss()(Features(**some, **kept))
        assert (value.item(), value.requires_grad) == (0, True)
    try_loss(loss(), spec, 8)


def test_the_recipe_of_the_loss_lies_over_the_quickstart(install: Install, tmp_path: Path) -> None:
    engine = install("remgcl_hard_negative", LOSS)
    (tmp_path / "quickstart.toml").write_text((ROOT / "recipes" / "quickstart.toml").read_text())
    (tmp_path / "mine.toml").write_text(RECIPE)
    losses = engine.read(tmp_path / "mine.toml").stages["remgcl"].losses
    assert (losses["hard-negative"].weight, losses["hard-negative"].margin) == (0.5, 0.2)  # type: ignore[attr-defined]


@pytest.fixture
def grid(install: Install, tmp_path: Path) -> Callable[[str, str], GridPlan]:
    """Install the loss, and plan its grid over a recipe of the name of the quickstart."""
    engine = install("remgcl_hard_negative", LOSS)

    def plan(quickstart: str, grid: str) -> GridPlan:
        (tmp_path / "quickstart.toml").write_text(quickstart)
        (tmp_path / "hard-negative.toml").write_text(RECIPE)
        (tmp_path / "hard-negative-grid.toml").write_text(grid)
        return plan_grid(engine, read_grid(engine, tmp_path / "hard-negative-grid.toml"))

    return plan


def test_the_grid_of_the_loss_compares_it_with_its_absence_and_without_a_margin(
    grid: Callable[[str, str], GridPlan],
) -> None:
    plan = grid((ROOT / "recipes" / "quickstart.toml").read_text(), GRID)
    assert plan.grid.baseline == "losses=refined-local, margin=0"
    assert {cell.label for cell in plan.grid.cells} == {
        "losses=refined-local, margin=0",
        "losses=refined-local+hard-negative, margin=0",
        "losses=refined-local+hard-negative, margin=0.2",
    }
    assert len(plan.units) == 3 * (2 + 3)  # the first two stages of each seed are shared


@pytest.mark.slow
def test_the_ablation_of_the_loss_ends_with_a_table(
    grid: Callable[[str, str], GridPlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the processes of the executor, which see the plugin by its path."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    small = GRID.replace("seeds = [0, 1, 2]", 'seeds = [0]\nmetrics = ["terms.language"]')
    folder = GridFolder(tmp_path / "runs")
    assert Run.of(Engine.installed(), grid(SMALL, small), folder).run(lambda _: None)
    write_report(collect(folder.path), tmp_path / "report")
    table = (tmp_path / "report" / "report.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("| losses=")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| losses=refined-local, margin=0 (baseline)",
        "| losses=refined-local+hard-negative, margin=0",
        "| losses=refined-local+hard-negative, margin=0.2",
    ]
    assert all("too few seeds to tell (1 of at least 3)" in row for row in rows[1:])


def test_the_recipe_that_switches_the_loss_off_does(install: Install, tmp_path: Path) -> None:
    engine = install("remgcl_hard_negative", LOSS)
    (tmp_path / "small.toml").write_text(SWITCHED_OFF + SMALL)
    assert engine.read(tmp_path / "small.toml").without == ("hard-negative",)
    with pytest.raises(RecipeError, match="plugin 'hard-negative', which is switched off by the recipe, has one"):
        engine.read(tmp_path / "small.toml", ["stages.remgcl.losses.hard-negative={}"])


def test_the_tower_is_installed_checked_and_trained(
    install: Install, train: Callable[..., list[dict[str, Any]]]
) -> None:
    engine = install("remgcl_patchwise", TOWER)
    logged = train(engine, "vision_tower={ use = 'patchwise', size = 36, patch = 8 }")
    assert logged[-1]["terms"]["language"]["loss"] < logged[0]["terms"]["language"]["loss"]


@pytest.mark.parametrize(("module", "text"), [("remgcl_hard_negative", LOSS), ("remgcl_patchwise", TOWER)])
def test_both_say_that_they_were_made_for_this_version_of_the_api(install: Install, module: str, text: str) -> None:
    install(module, text)
    loaded: ModuleType = importlib.import_module(module)
    assert loaded.REMGCL_API == plugins.API
    assert f"it is {plugins.API}." in TEXT


def test_the_public_names_that_the_page_imports_are_public() -> None:
    named = re.findall(r"^from remgcl import (.*)$", TEXT, re.MULTILINE)
    assert {name for line in named for name in line.split(", ")} <= set(remgcl.__all__)
