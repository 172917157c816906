"""What README and documentation say is so."""

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import attrs
import pytest
import torch

from remgcl import Engine, Features, RecipeError, Regions, Stage
from remgcl.core.authoring.scaffold import package
from remgcl.core.grid.file import GridFile
from remgcl.core.grid.plan import read_grid
from remgcl.core.recipe.structure import key_of
from remgcl.core.registry.registry import KINDS
from remgcl.testing.checks import PartChecks, docs_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RECIPES = (ROOT / "docs" / "recipes.md").read_text()
GRIDS = (ROOT / "docs" / "grids.md").read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]


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


def test_the_loss_in_the_readme_is_what_new_plugin_writes_and_works() -> None:
    shown, written = _block(README, "python"), package("nearer", "losses")[Path("remgcl_nearer.py")]
    assert f"\n{shown}" in written
    plugin = ModuleType("nearer")
    exec(written, vars(plugin))  # noqa: S102 - we wrote it
    loss = Engine.of([plugin]).registry.find("losses", "nearer")
    features = _features()
    value = loss(margin=0.1)(features)  # type: ignore[operator, call-arg]
    value.backward()
    assert value.shape == torch.Size([])
    assert features.patches.grad is not None


def test_the_three_commands_of_the_readme_are_those_that_ci_runs() -> None:
    commands = README.partition("## A loss of your own")[2].split("```\n")[1].splitlines()
    assert len(commands) == 3
    driver = (ROOT / "examples" / "ci.sh").read_text()
    assert "\n".join(commands).replace("nearer", "fresh") in driver
    told = [line for line in driver.splitlines() if line.startswith(("pip ", "remgcl new", "remgcl run remgcl"))]
    assert told == [line.replace("nearer", "fresh") for line in commands]


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
    assert told == {key_of(field) for field in attrs.fields(Stage)}


def test_every_default_of_a_stage_is_documented() -> None:
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in RECIPES.splitlines() if line[:3] == "| `"]
    told = {key: default for key, default in rows if default not in {"none", "required"} and "," not in key}
    defaults = {field.name: field.default for field in attrs.fields(Stage)}
    assert len(told) > 10
    assert {key: tomllib.loads(f"value = {default}")["value"] for key, default in told.items()} == {
        key: defaults[key] for key in told
    }


def test_every_key_of_a_grid_is_documented_with_its_default() -> None:
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in GRIDS.splitlines() if line[:3] == "| `"]
    fields = {field.alias: field.default for field in attrs.fields(GridFile)}
    assert {key for key, _ in rows} == set(fields)
    assert {key for key, default in rows if default == "required"} == {
        key for key, default in fields.items() if default is attrs.NOTHING
    }
    assert dict(rows)["metrics"] == json.dumps(fields["metrics"])


def test_the_grids_of_the_documentation_can_be_read(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "docs" / "grid.toml"
    path.parent.mkdir()
    path.write_text(_block(GRIDS, "toml"))
    (tmp_path / "quickstart.toml").write_text((ROOT / "recipes" / "quickstart.toml").read_text())
    grid = read_grid(engine, path)
    assert len(grid.cells) == (3 * 2 - 1) * 2
    assert grid.baseline == "losses=none, projector=linear, learning_rate=1e-3"
    head = path.read_text().partition("\nseeds")[0]
    path.write_text(f'{head}\nexecutor = "local"\nset.paths.ocr = "ocr"\n{_block(GRIDS, "toml", 1)}')
    assert [cell.label for cell in read_grid(engine, path).cells] == ["text=OCR", "text=no OCR"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_room_of_the_core_is_in_the_architecture() -> None:
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
    pages = [ROOT / "docs" / "testing.md", *sorted((ROOT / "docs" / "kinds").glob(f"{kind}.md"))]
    page = " ".join(" ".join(each.read_text() for each in pages).split())
    promises = docs_of(import_module(f"remgcl.testing.{kind}").Checks).keys() - docs_of(PartChecks).keys()
    told = docs_of(import_module(f"remgcl.testing.{kind}").Checks)
    assert [name for name in sorted(promises) if " ".join(told[name].split()) not in page] == []
