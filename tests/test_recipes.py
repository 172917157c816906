"""Every shipped recipe can be read, and does what its comments say."""

import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from remgcl import Engine

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_can_be_read_and_written(engine: Engine, path: Path, tmp_path: Path) -> None:
    recipe = engine.read(path)
    again = tmp_path / "again.toml"
    again.write_text(tomli_w.dumps(engine.table(recipe)))
    assert engine.read(again) == recipe


def test_the_quickstart_can_be_checked_without_a_heavy_library() -> None:
    program = (
        "import sys; from pathlib import Path; from remgcl import Engine; engine = Engine.installed();"
        "path = Path('recipes/quickstart.toml'); plan = engine.check(engine.read(path), str(path));"
        "assert sum(plan.parameters.values()) > 100_000;"
        "print(sorted({'torch', 'transformers', 'timm', 'open_clip', 'torchvision'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    assert ran.stdout == "[]\n"


def test_the_quickstart_holds_out_what_it_is_asked_about(engine: Engine) -> None:
    recipe = engine.read(ROOT / "recipes" / "quickstart.toml")
    for stage in recipe.stages.values():
        seen = {sample.turns[-1].text for sample in map(stage.data.build().__getitem__, range(2000))}
        if stage.validation is not None:
            held_out = stage.validation.data.build()
            assert len(held_out) >= 200
            assert seen.isdisjoint(held_out[index].turns[-1].text for index in range(len(held_out)))
