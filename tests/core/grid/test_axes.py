"""Axes: values, wildcards, and short labels."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from remgcl import Engine, RecipeError
from remgcl.core.grid.axes import ABSENT, Axis, called, read_axes
from remgcl.core.recipe.document import load

Read = Callable[..., tuple[Axis, ...]]


@pytest.fixture
def axes(engine: Engine, file: Path) -> Read:
    """Read axes over the small recipe."""
    return lambda given: read_axes(given, "g.toml", load(file), engine.registry)


def labels(axis: Axis) -> list[str]:
    """Name the values of an axis."""
    return [choice.label for choice in axis.choices]


def test_a_list_gives_the_values_of_a_key(axes: Read) -> None:
    (axis,) = axes({"learning_rate": [1e-4, 2e-4]})
    assert (axis.key, axis.label, labels(axis)) == ("learning_rate", "learning_rate", ["1e-4", "2e-4"])
    assert axis.choices[1].settings == ((("stages", "tune", "learning_rate"), 2e-4),)


def test_a_wildcard_is_every_installed_part(axes: Read, engine: Engine) -> None:
    (axis,) = axes({"projector.use": "*"})
    assert (axis.label, labels(axis)) == ("projector", list(engine.registry.names("projectors")))
    (some,) = axes({"projector": "*l*"})
    assert labels(some) == ["linear", "mlp2x_gelu"]
    assert some.choices[0].settings == ((("projector", "use"), "linear"),)


def test_a_wildcard_over_losses_is_each_loss_alone(axes: Read) -> None:
    (axis,) = axes({"losses": "*l*"})
    assert labels(axis) == ["global", "refined-local", "sliding-window"]
    assert axis.choices[0].settings == ((("stages", "tune", "losses"), ["global"]),)


def test_a_part_comes_before_its_settings(axes: Read) -> None:
    (axis,) = axes({"projector": [{"depth": 3, "use": "mlp2x_gelu"}, "linear"]})
    assert labels(axis) == ["depth=3,mlp2x_gelu", "linear"]
    assert axis.choices[0].settings == ((("projector", "use"), "mlp2x_gelu"), (("projector", "depth"), 3))


def test_a_value_may_set_several_keys_and_take_some_out(axes: Read) -> None:
    given = {"label": "odd", "set": {"learning_rate": 1.0, "projector": {"depth": 1}}, "unset": ["text_filter"]}
    (axis,) = axes({"anything": [given, {"label": "plain"}]})
    assert (axis.label, labels(axis)) == ("anything", ["odd", "plain"])
    assert axis.choices[0].settings == (
        (("stages", "tune", "learning_rate"), 1.0),
        (("projector", "depth"), 1),
        (("text_filter",), ABSENT),
    )
    assert axis.choices[1].settings == ()


def test_axes_are_called_by_as_much_of_their_keys_as_tells_them_apart(axes: Read) -> None:
    given = axes({"stages.pretrain.epochs": [1.0], "epochs": [1.0], "losses.global.weight": [1.0]})
    assert [axis.label for axis in given] == ["pretrain.epochs", "epochs", "weight"]


def test_keys_need_no_quotes(axes: Read) -> None:
    (axis,) = axes({"stages": {"tune": {"epochs": [1.0, 2.0]}}})
    assert axis.key == "stages.tune.epochs"


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ([], "none"),
        (["a", "b"], "a+b"),
        (True, "true"),
        (1e-4, "1e-4"),
        (0.25, "0.25"),
        (2.0, "2"),
        (2e-5, "2e-5"),
        (0.123456789, "0.123456789"),
        (3, "3"),
        ({"use": "v1", "system": ""}, "v1,system="),
        ({"a": 1, "b": [2]}, "a=1,b=2"),
    ],
)
def test_a_value_has_a_short_label(value: object, label: str) -> None:
    assert called(value) == label


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"learning_rat": [1.0]},
            "axes.learning_rat: no key 'learning_rat' in a recipe; did you mean 'learning_rate'?",
        ),
        ({"epochs": []}, "axes.epochs: must be a list of values, or a pattern such as '*'; it is []"),
        ({"epochs": 2}, "axes.epochs: must be a list of values, or a pattern such as '*'; it is 2"),
        ({"epochs": "*"}, "axes.epochs: must be a list of values; a pattern such as '*' needs a key that names a part"),
        (
            {"projector.use": "q*"},
            (
                "axes.projector.use: no part among the projectors matches 'q*'; "
                "there is 'identity', 'linear', 'mlp2x_gelu'"
            ),
        ),
        ({"epochs": [1.0, 2.0, 1.0]}, "axes.epochs.2: '1' is there twice; give one another label: "),
        ({"losses": ["global"]}, "axes.losses.0: must be a list of names; it is 'global'"),
        ({"losses": [["global", "global"]]}, "axes.losses.0: names one twice; it is ['global', 'global']"),
        ({"a": [{"label": 1}]}, "axes.a.0: must have 'label', a text, and 'set', a table, or 'unset', a list of keys;"),
        ({"a": [{"label": "b", "sets": {}}]}, "axes.a.0: must have 'label', a text, and 'set', a table, or 'unset', "),
        ({"a": [{"label": "b", "set": {"epoch": 1}}]}, "axes.a.0.epoch: no key 'epoch' in a recipe; did you mean"),
        ({"seed": [1, 2]}, "axes.seed: cannot be varied here; the grid's key 'seeds' does that"),
    ],
)
def test_what_is_no_axis_is_told(axes: Read, given: Mapping[str, Any], told: str) -> None:
    with pytest.raises(RecipeError) as raised:
        axes({"epochs": [1.0], **given} if "epochs" not in given else given)
    assert str(raised.value).startswith(f"g.toml: {told}")


def test_all_faults_of_axes_are_told_at_once(axes: Read) -> None:
    with pytest.raises(RecipeError) as raised:
        axes({"epoch": [1], "projector.use": "q*"})
    assert len(raised.value.faults) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [0.1, float("nan")], {"weight": float("nan")}])
def test_numbers_on_an_axis_are_finite(value: object, axes: Read) -> None:
    with pytest.raises(RecipeError, match=r"^g.toml: axes.learning_rate.1: must be a finite number; it is .*(nan|inf)"):
        axes({"learning_rate": [1e-3, value]})


def test_numbers_of_several_keys_are_finite(axes: Read) -> None:
    with pytest.raises(RecipeError, match=r"axes.tuning.0: must hold finite numbers; it is .*nan"):
        axes({"tuning": [{"label": "a", "set": {"learning_rate": float("nan")}}]})
