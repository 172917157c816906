"""Cells: every combination but for what is excluded, each a recipe of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import Engine, RecipeError
from remgcl.core.grid.plan import Grid, read_grid

Read = Callable[..., Grid]


@pytest.fixture
def read_cells(engine: Engine, write_grid: Callable[[str], Path]) -> Read:
    """Read a grid of the small recipe."""
    return lambda text, *overrides: read_grid(engine, write_grid(text), overrides)


@pytest.fixture
def tables(engine: Engine, read_cells: Read) -> Callable[..., dict[str, dict[str, Any]]]:
    """Read a grid of the small recipe; give the tables of each cell by its label."""

    def read(text: str, *overrides: str) -> dict[str, dict[str, Any]]:
        return {label: engine.table(recipe) for label, recipe in read_cells(text, *overrides).recipes.items()}

    return read


Tables = Callable[..., dict[str, dict[str, Any]]]


def test_cells_are_every_combination_in_the_order_of_the_axes(read_cells: Read) -> None:
    grid = read_cells('[axes]\nlosses = [[], ["global"]]\nepochs = [1, 2]')
    assert [cell.label for cell in grid.cells] == [
        "losses=none, epochs=1",
        "losses=none, epochs=2",
        "losses=global, epochs=1",
        "losses=global, epochs=2",
    ]
    assert grid.cells[3].settings == {"losses": "global", "epochs": "2"}


def test_a_grid_without_axes_is_the_base(engine: Engine, file: Path, read_cells: Read) -> None:
    assert read_cells("").recipes == {"base": engine.read(file)}


def test_losses_that_are_kept_keep_their_settings_and_new_ones_have_their_defaults(tables: Tables) -> None:
    cells = tables('[axes]\nlosses = [[], ["global"], ["sliding-window", "global"]]')
    held = [cell["stages"]["tune"]["losses"] for cell in cells.values()]
    assert [list(losses) for losses in held] == [[], ["global"], ["global", "sliding-window"]]
    assert held[2]["global"]["weight"] == 0.5
    assert held[2]["sliding-window"]["weight"] == 1.0


def test_a_setting_of_a_dropped_loss_does_not_bring_it_back(tables: Tables) -> None:
    cells = tables(
        'set = { "losses.sliding-window.weight" = 0.25 }\n[axes]\n'
        '"losses.global.weight" = [1.0, 2.0]\nlosses = [[], ["global"], ["sliding-window"]]'
    )
    held = {label: cell["stages"]["tune"]["losses"] for label, cell in cells.items()}
    assert held["weight=1, losses=none"] == held["weight=2, losses=none"] == {}
    assert [held[f"weight={n}, losses=global"]["global"]["weight"] for n in (1, 2)] == [1.0, 2.0]
    assert list(held["weight=2, losses=sliding-window"]) == ["sliding-window"]
    assert held["weight=2, losses=sliding-window"]["sliding-window"]["weight"] == 0.25


def test_another_part_drops_the_settings_of_the_old_one(tables: Tables) -> None:
    cells = tables('set = { "projector.depth" = 3 }\n[axes]\n"projector.use" = ["mlp2x_gelu", "linear"]')
    assert [cell["projector"] for cell in cells.values()] == [{"use": "mlp2x_gelu", "depth": 3}, {"use": "linear"}]


@pytest.mark.parametrize("key", ["template.use", "template"])
def test_an_axis_of_parts_drops_no_setting_of_an_axis_before_it(tables: Tables, key: str) -> None:
    cells = tables(f'[axes]\n"template.system" = ["a", "b"]\n"{key}" = ["v1", "llama_2"]')
    held = [cell["stages"]["tune"]["template"] for cell in cells.values()]
    assert [(template["use"], template["system"]) for template in held] == [
        ("v1", "a"),
        ("llama_2", "a"),
        ("v1", "b"),
        ("llama_2", "b"),
    ]


def test_stages_after_a_dropped_one_come_after_what_was_before_it(tables: Tables, file: Path) -> None:
    stage = 'template = "plain"\ntrain = ["projector"]\nmax_length = 128\ndata = "synthetic"\n'
    more = f'\n[stages.a]\nafter = "tune"\n{stage}[stages.b]\nafter = "a"\n{stage}'
    file.write_text(file.read_text() + more)
    cells = tables('[axes]\nstages = [["pretrain", "b"], ["b"], ["b", "tune"]]\n"stages.a.epochs" = [3]')
    after = [{name: stage.get("after") for name, stage in cell["stages"].items()} for cell in cells.values()]
    assert after == [{"pretrain": None, "b": "pretrain"}, {"b": None}, {"tune": None, "b": "tune"}]


def test_a_key_may_be_taken_out(tables: Tables, file: Path) -> None:
    file.write_text(f'text_filter = "stopwords"\n{file.read_text()}')
    cells = tables('[axes]\nwords = [{ label = "some" }, { label = "all", unset = ["text_filter"] }]')
    assert ["text_filter" in cell for cell in cells.values()] == [True, False]


def test_overrides_lie_over_the_settings_and_below_the_axes(tables: Tables) -> None:
    (cell,) = tables("set = { epochs = 2, batch_size = 3 }\n[axes]\nmax_length = [90]", "stages.tune.epochs=5").values()
    assert [cell["stages"]["tune"][key] for key in ("epochs", "batch_size", "max_length")] == [5.0, 3, 90]


def test_paths_are_filled_in_after_the_axes(tables: Tables, file: Path) -> None:
    file.write_text(f'paths = {{ words = "a.txt" }}\n{file.read_text()}')
    text = 'set = { "template" = { use = "v1", system = "{paths.words}" } }\n[axes]\n"paths.words" = ["b", "c"]'
    assert [cell["stages"]["tune"]["template"]["system"] for cell in tables(text).values()] == ["b", "c"]


def test_what_matches_an_excluded_combination_is_left_out(read_cells: Read) -> None:
    axes = '[axes]\nlosses = [[], ["global"]]\n"projector.use" = "[lm]*"\nepochs = [1, 2]'
    grid = read_cells(f'exclude = [{{ losses = [], projector.use = "linear" }}, {{ epochs = 2 }}]\n{axes}')
    assert [cell.label for cell in grid.cells] == [
        "losses=none, projector=mlp2x_gelu, epochs=1",
        "losses=global, projector=linear, epochs=1",
        "losses=global, projector=mlp2x_gelu, epochs=1",
    ]


@pytest.mark.parametrize("named", ["losses = [], epochs = 2", 'losses = "none", epochs = "2"'])
def test_the_baseline_is_named_by_values_or_their_labels(read_cells: Read, named: str) -> None:
    grid = read_cells(f'baseline = {{ {named} }}\n[axes]\nlosses = [[], ["global"]]\nepochs = [1, 2]')
    assert grid.baseline == "losses=none, epochs=2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exclude = [{ loses = [] }]", "exclude.0.loses: is no axis; did you mean 'losses'?"),
        ("exclude = [{ epochs = 3 }]", "exclude.0.epochs: 3 is no value of this axis; there is '1', '2'"),
        ("exclude = [{}]", "exclude: leaves no cell"),
        ("baseline = { losses = [] }", "baseline: is 2 cells; name values of 'epochs' too"),
        ("baseline = { epochs = true }", "baseline.epochs: True is no value of this axis; there is '1', '2'"),
        ("baseline = { losses = [], epochs = 1 }\nexclude = [{ epochs = 1 }]", "baseline: is excluded"),
        ("set = { epoch = 1 }", "set.epoch: no key 'epoch' in a recipe; did you mean 'epochs'?"),
    ],
)
def test_combinations_that_are_not_there_are_told(read_cells: Read, text: str, told: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read_cells(f'{text}\n[axes]\nlosses = [[], ["global"]]\nepochs = [1, 2]')
    assert str(raised.value).partition("grid.toml: ")[2] == told
