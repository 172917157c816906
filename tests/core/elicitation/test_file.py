"""Elicitation files: every shipped and documented one can be read, and every key is documented."""

import re
from pathlib import Path

import attrs
import pytest

from remgcl import Engine
from remgcl.core.elicitation.file import ElicitFile, read_file
from remgcl.core.grid.plan import read_grid

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "elicitation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "recipes" / "elicit").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_file_can_be_read(path: Path, engine: Engine) -> None:
    assert read_file(path, (), engine.registry).generators


def test_the_file_of_the_documentation_can_be_read(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "signs.toml"
    path.write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    file = read_file(path, (), engine.registry)
    assert file.asked == {"writer", "examiner"}
    assert list(file.ordered_judges) == ["form", "grounded", "rubric", "blind"]


def test_every_key_is_documented_with_its_default() -> None:
    rows = dict(
        [cell.strip(" `") for cell in line.split("|")[1:3]] for line in PAGE.splitlines() if line.startswith("| `")
    )
    for field in attrs.fields(ElicitFile):
        told = rows[field.name]
        if field.default is attrs.NOTHING:
            assert told == "required"
        elif isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
            assert told == "{}"
        else:
            assert told == ("none" if field.default is None else str(field.default)), field.name


def test_the_recipe_of_the_published_mix_and_its_grid_can_be_read(engine: Engine) -> None:
    recipe = engine.read(ROOT / "recipes" / "remgcl-elicited.toml")
    counts = [source.count for source in recipe.stages["remgcl"].data.sources]  # type: ignore[attr-defined]
    assert counts == [15_000, 5_000]
    grid = read_grid(engine, ROOT / "recipes" / "grids" / "remgcl-selection.toml")
    labels = {cell.label for cell in grid.cells}
    assert labels == {"selection=random", "selection=score"}
