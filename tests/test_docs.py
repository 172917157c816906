"""What README and documentation say is so."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import attrs
import pytest
import torch

from remgcl import Engine, Features, RecipeError, Regions, Stage
from remgcl.core.registry import KINDS
from remgcl.testing.checks import PartChecks, docs_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RECIPES = (ROOT / "docs" / "recipes.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def _block(text: str, language: str, place: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[place]


def _features() -> Features:
    regions = Regions(
        image=torch.zeros(1, dtype=torch.int64),
        patch_weights=torch.full((1, 4), 0.25),
        text=torch.randn(1, 8),
        text_key=torch.zeros(1, dtype=torch.int64),
        confidence=torch.ones(1),
    )
    return Features(
        patches=torch.randn(2, 4, 8, requires_grad=True),
        patch_mask=torch.ones(2, 4, dtype=torch.bool),
        grid=(2, 2),
        image_sample=torch.arange(2),
        image_key=torch.arange(2),
        answer=torch.randn(2, 3, 8),
        answer_mask=torch.ones(2, 3, dtype=torch.bool),
        answer_key=torch.arange(2),
        regions=regions,
    )


def test_the_loss_in_the_readme_works_as_a_plugin() -> None:
    plugin = ModuleType("spread")
    exec(_block(README, "python"), vars(plugin))  # noqa: S102 - the README is ours
    loss = Engine.of([plugin]).registry.find("losses", "spread")
    assert (loss.__doc__ or "").startswith("Keep the images of a batch apart")
    features = _features()
    value = loss(margin=0.1)(features)  # type: ignore[operator, call-arg]
    value.backward()
    assert value.shape == torch.Size([])
    assert features.patches.grad is not None


def test_the_recipe_of_the_documentation_can_be_read(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(_block(RECIPES, "toml"))
    recipe = engine.read(path)
    assert list(recipe.stages) == ["pretrain", "remgcl"]
    assert list(recipe.stages["remgcl"].losses) == ["global", "refined-local", "local-too"]


def test_the_parts_of_the_readmes_recipe_are_known(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    text = _block(README, "toml")
    path.write_text(f'name = "short"\nrunner = "local"\n{text}\n[stages.remgcl.data]\nuse = "synthetic"\n')
    assert engine.read(path).stages["remgcl"].losses["global"].weight == 0.01


def test_the_errors_of_the_documentation_are_the_real_ones(engine: Engine, tmp_path: Path) -> None:
    told = [
        line.removeprefix("error: recipes/mine.toml: ") for line in RECIPES.splitlines() if line.startswith("error")
    ]
    assert len(told) == 3
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nvision_tower = "tiny"\nbackbone = "tiny"\nprojector = "linear"\nrunner = "local"\n'
        'projecter = "linear"\n[stages.pretrain]\ntrain = ["projector"]\ndata = "synthetic"\n'
        'template = "plane"\nlearning_rate = "1e-3"\n'
    )
    with pytest.raises(RecipeError) as caught:
        engine.read(path)
    assert sorted(str(caught.value).replace(f"{path}: ", "").splitlines()) == sorted(told)


def test_every_key_of_a_stage_is_documented() -> None:
    rows = [line for line in RECIPES.splitlines() if line.startswith("| `")]
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == {field.name for field in attrs.fields(Stage)}


def test_every_default_of_a_stage_is_documented() -> None:
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in RECIPES.splitlines() if line[:3] == "| `"]
    told = {key: default for key, default in rows if default not in {"none", "required"} and "," not in key}
    defaults = {field.name: field.default for field in attrs.fields(Stage)}
    assert len(told) > 10
    assert {key: tomllib.loads(f"value = {default}")["value"] for key, default in told.items()} == {
        key: defaults[key] for key in told
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_module_of_the_core_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = "".join(line for line in text.splitlines() if line.startswith("| `"))
    modules = {path.stem for path in (ROOT / "remgcl" / "core").iterdir()} - {"__init__", "__pycache__"}
    assert modules == set(re.findall(r"`(\w+)`", table))


def test_every_part_is_named_in_the_changelog(engine: Engine) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert {entry.kind for entry in engine.registry} == set(KINDS)
    assert [entry.name for entry in engine.registry if f"`{entry.name}`" not in changelog] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_promise_of_the_conformance_kit_is_documented(kind: str) -> None:
    page = " ".join((ROOT / "docs" / "testing.md").read_text().split())
    promises = docs_of(import_module(f"remgcl.testing.{kind}").Checks).keys() - docs_of(PartChecks).keys()
    told = docs_of(import_module(f"remgcl.testing.{kind}").Checks)
    assert [name for name in sorted(promises) if " ".join(told[name].split()) not in page] == []
