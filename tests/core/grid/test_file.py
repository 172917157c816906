"""Grid files as they are written: strict, and all faults at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import Engine, RecipeError
from remgcl.core.grid.file import flat, read_file


def test_a_grid_needs_a_name_a_base_and_an_executor_alone(engine: Engine, write_grid: Callable[[str], Path]) -> None:
    grid = read_file(write_grid(""), engine.registry)
    assert (grid.name, grid.base, engine.registry.entry(grid.executor).name) == ("g", "small.toml", "local")
    assert (grid.axes, grid.set_, grid.seeds, grid.exclude, grid.baseline) == ({}, {}, (), (), None)


def test_the_default_metric_is_exact_match(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('name = "g"\nbase = "b.toml"\nexecutor = "local"')
    assert read_file(path, engine.registry).metrics == ("exact_match",)


def test_all_faults_are_told_at_once(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(
        'name = "a b"\nseeds = [1, 1]\nmetrics = []\nbaselin = {}\naxes = 3\n[executor]\nuse = "loca"\n[set]\nseed = 1\n'
    )
    with pytest.raises(RecipeError) as raised:
        read_file(path, engine.registry)
    assert sorted(str(raised.value).replace(f"{path}: ", "").splitlines()) == [
        "axes: must be a table; it is 3",
        "base: is missing",
        "baselin: is not a key here; did you mean 'baseline'?",
        "executor.use: no part 'loca' among the executors; did you mean 'local'?",
        "metrics: must name something; it is empty",
        "name: must match regex '[A-Za-z0-9][A-Za-z0-9._-]*' ('a b' doesn't)",
        "seeds.1: 1 is there twice",
    ]


def test_an_executor_that_no_plugin_brings_is_told(engine: Engine, write_grid: Callable[[str], Path]) -> None:
    with pytest.raises(RecipeError, match=r"grid\.toml: executor: no part 'moon' among the executors; there is 'local'"):
        read_file(write_grid('executor = "moon"'), engine.registry)


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "true"])
def test_a_seed_that_no_recipe_takes_is_refused(engine: Engine, write_grid: Callable[[str], Path], seed: str) -> None:
    with pytest.raises(RecipeError, match=r"grid\.toml: seeds"):
        read_file(write_grid(f"seeds = [{seed}]"), engine.registry)


def test_nested_tables_are_dotted_keys() -> None:
    assert flat({"a": {"b": [1], "c": {"d": 2}}, "e.f": {}, "g": 3}) == {"a.b": [1], "a.c.d": 2, "e.f": {}, "g": 3}
