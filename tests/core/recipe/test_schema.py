"""The schema of recipes: it allows what can be read, and catches what it can express."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from attrs.validators import and_, ge, gt, in_, lt, matches_re, optional
from jsonschema import Draft202012Validator

from remgcl import Engine, Loss
from remgcl.core.recipe.document import read
from remgcl.core.recipe.schema import bounds, described, schema_of

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))


@pytest.fixture(scope="module")
def schema(engine: Engine) -> Draft202012Validator:
    """The schema of every installed part."""
    made = schema_of(engine.registry)
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


@pytest.fixture
def faults(schema: Draft202012Validator, file: Path) -> Callable[..., list[str]]:
    """The keys at fault in the small recipe with overrides, as the schema finds them."""

    def found(*overrides: str) -> list[str]:
        table = read(file, overrides).table
        return sorted({".".join(map(str, error.absolute_path)) for error in schema.iter_errors(table)})

    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_shipped_recipe_is_allowed(schema: Draft202012Validator, path: Path) -> None:
    errors = [error.message for error in schema.iter_errors(tomllib.loads(path.read_text()))]
    assert errors == []


def test_the_small_recipe_is_allowed(faults: Callable[..., list[str]]) -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("seeds=3", ""),
        ("seed='3'", "seed"),
        ("seed=-1", "seed"),
        ("name='a b'", "name"),
        ("stages.pretrain.epochs=0", "stages.pretrain.epochs"),
        ("stages.pretrain.batch_size=1.5", "stages.pretrain.batch_size"),
        ("stages.pretrain.schedule='cosin'", "stages.pretrain.schedule"),
        ("stages.pretrain.train=['projecter']", "stages.pretrain.train.0"),
        ("stages.pretrain.betas=[0.9]", "stages.pretrain.betas"),
        ("stages.pretrain.template='plane'", "stages.pretrain.template"),
        ("projector.use='mlp'", "projector"),
        ("projector.width=3", "projector"),
        ("stages.tune.losses.global.temperature=0", "stages.tune.losses.global.temperature"),
        ("stages.tune.losses.global.tau=1", "stages.tune.losses.global"),
        ("stages.tune.losses.mine={weight=1}", "stages.tune.losses.mine"),
        ("stages.tune.losses.mine={use='glob'}", "stages.tune.losses.mine"),
    ],
)
def test_a_fault_that_a_schema_can_express_is_caught(
    faults: Callable[..., list[str]], engine: Engine, file: Path, override: str, key: str
) -> None:
    assert faults(override) == [key]
    with pytest.raises(Exception, match=r"small\.toml|--set"):
        engine.read(file, [override])


@pytest.mark.parametrize("missing", ["vision_tower", "runner", "stages", "name"])
def test_a_missing_key_is_caught_unless_another_recipe_is_extended(
    schema: Draft202012Validator, file: Path, missing: str
) -> None:
    table = tomllib.loads(file.read_text())
    del table[missing]
    assert any(missing in error.message for error in schema.iter_errors(table))
    assert list(schema.iter_errors({**table, "extends": "base.toml"})) == []


def test_a_recipe_that_extends_another_is_still_checked(schema: Draft202012Validator) -> None:
    told = {"extends": "base.toml", "stages": {"tune": {"epochs": 2, "epoch": 3}}}
    assert [error.message for error in schema.iter_errors(told)] == [
        "Additional properties are not allowed ('epoch' was unexpected)"
    ]


def test_keys_carry_documentation_defaults_and_bounds(engine: Engine) -> None:
    definition = schema_of(engine.registry)["$defs"]["whole.losses.global"]
    assert definition["description"] == "The mean patch of an image against the mean token of its answer."
    assert definition["properties"]["temperature"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "Divisor of the similarities.",
        "default": 0.07,
    }
    assert definition["properties"]["objective"]["enum"] == ["alignment", "infonce", "sigmoid"]
    assert definition["additionalProperties"] is False


def test_every_field_of_every_part_is_described(engine: Engine) -> None:
    """So that an editor can say what each key is for."""
    definitions = schema_of(engine.registry)["$defs"]
    bare = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, held in definition["properties"].items()
        if "description" not in held and key != "use"
    ]
    assert bare == []


def test_parts_of_third_parties_are_in_it(plugin: Callable[..., Any]) -> None:
    @frozen(kw_only=True)
    class Mine(Loss):
        """One of mine."""

        margin: float = field(default=0.1, validator=ge(0))

        def __call__(self, features: object) -> Any:  # noqa: ANN401 - never called
            return features

    made = schema_of(Engine.of([plugin(losses={"mine": Mine})]).registry)
    assert made["$defs"]["whole.losses.mine"]["properties"]["margin"]["minimum"] == 0


@pytest.mark.parametrize(
    ("validator", "found"),
    [
        (None, {}),
        (ge(2), {"minimum": 2}),
        (and_(gt(0), lt(1)), {"exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        (optional(ge(1)), {"minimum": 1}),
        (optional([gt(0), lt(9)]), {"exclusiveMinimum": 0, "exclusiveMaximum": 9}),
        (in_((2, 0, 1)), {"enum": [0, 1, 2]}),
        (matches_re("[a-z]+"), {"pattern": "^(?:[a-z]+)$"}),
        (lambda *_: None, {}),
    ],
)
def test_bounds_are_read_off_validators(validator: object, found: dict[str, object]) -> None:
    merged: dict[str, object] = {}
    for bound in bounds(validator):
        merged |= bound
    assert merged == found


def test_what_a_docstring_says_of_attributes_is_joined_to_one_line() -> None:
    class Told:
        """A class.

        Attributes:
            one: First
                of two lines: with a colon.
            two: Second.
        """

    assert described(Told) == {"one": "First of two lines: with a colon.", "two": "Second."}
    assert described(int) == {}
