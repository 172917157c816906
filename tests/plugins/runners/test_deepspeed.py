"""The settings of the runner deepspeed: what goes together, and what is verified before anything starts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import FaultsError, Recipe, RecipeError, RunError
from remgcl.plugins.runners.deepspeed import DeepSpeed


@pytest.fixture
def deep(read: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """Read the small recipe with the runner deepspeed and settings of it."""
    return lambda *settings: read("runner='deepspeed'", *(f"runner.{setting}" for setting in settings))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("offload_parameters=true",), "offload_parameters: needs zero = 3; it is 2"),
        (("zero=0", "offload_optimizer=true"), "offload_optimizer: needs zero = 1, 2 or 3; it is 0"),
        (("processes=2", "include='localhost:0,1'"), "processes: cannot be given together with include"),
        (("zero=4",), r"zero: must be in \(0, 1, 2, 3\)"),
        (("processes=0",), "processes: must be >= 1: 0"),
        (("port=65536",), "port: must be < 65536: 65536"),
        (("port=0",), "port: must be > 0: 0"),
        (("timeout=0.0",), r"timeout: must be > 0: 0\.0"),
        (("first_timeout=0.0",), r"first_timeout: must be > 0: 0\.0"),
    ],
)
def test_settings_that_do_not_go_together_are_faults(
    deep: Callable[..., Recipe], settings: tuple[str, ...], told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        deep(*settings)


@pytest.mark.parametrize("settings", [("zero=3", "offload_parameters=true"), ("zero=1", "offload_optimizer=true")])
def test_settings_that_go_together_are_none(deep: Callable[..., Recipe], settings: tuple[str, ...]) -> None:
    recipe = deep(*settings)
    recipe.runner.verify(recipe)


def test_a_hostfile_that_is_not_there_is_told(deep: Callable[..., Recipe]) -> None:
    recipe = deep("hostfile='nowhere'")
    with pytest.raises(RunError, match="hostfile: there is no file 'nowhere'"):
        recipe.runner.verify(recipe)


def test_a_configuration_is_held_against_every_stage_and_all_is_told_at_once(
    deep: Callable[..., Recipe], tmp_path: Path, read: Callable[..., Recipe]
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 1}, "optimizer": {"params": {"lr": 2e-5}}}))
    del read
    recipe = deep(f"config='{path}'")
    with pytest.raises(FaultsError) as raised:
        recipe.runner.verify(recipe)
    assert str(raised.value) == f"{path}: zero_optimization.stage: is 1; the recipe says 2"


def test_a_rate_that_is_right_for_one_stage_only_is_told(read: Callable[..., Recipe], tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"optimizer": {"params": {"lr": 2e-5}}, "gradient_clipping": 2}))
    recipe = read("runner='deepspeed'", f"runner.config='{path}'", "stages.second.learning_rate=0.5")
    with pytest.raises(FaultsError) as raised:
        recipe.runner.verify(recipe)
    assert sorted(str(raised.value).splitlines()) == [
        f"{path}: gradient_clipping: is 2; the recipe says 1.0",
        f"{path}: optimizer.params.lr: is 2e-05; the recipe says 0.5",
    ]


def test_the_configuration_of_a_stage_holds_the_users_own(deep: Callable[..., Recipe], tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"zero_optimization": {"reduce_bucket_size": 5}}')
    recipe = deep(f"config='{path}'", "zero=1")
    assert isinstance(recipe.runner, DeepSpeed)
    held = recipe.runner.configuration(recipe.stages["first"], 32)
    zero = held["zero_optimization"]
    assert isinstance(zero, dict)
    assert (zero["stage"], zero["reduce_bucket_size"]) == (1, 5)
