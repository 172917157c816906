"""Keys of a recipe: found by their end, and refused where there are none."""

from pathlib import Path

import pytest

from remgcl.core.errors import ValueFaultError
from remgcl.core.grid.keys import expand, holds_tables, kind_at
from remgcl.core.recipe.document import Document, dotted, load


@pytest.fixture
def base(file: Path) -> Document:
    """The small recipe, whose last stage is `tune`."""
    return load(file)


@pytest.mark.parametrize(
    ("key", "whole"),
    [
        ("losses", "stages.tune.losses"),
        ("losses.global.weight", "stages.tune.losses.global.weight"),
        ("learning_rate", "stages.tune.learning_rate"),
        ("template.use", "stages.tune.template.use"),
        ("stages.pretrain.epochs", "stages.pretrain.epochs"),
        ("stages", "stages"),
        ("projector.use", "projector.use"),
        ("text_filter", "text_filter"),
        ("paths.data", "paths.data"),
        ("validation.data.samples", "stages.tune.validation.data.samples"),
    ],
)
def test_a_key_of_a_stage_is_that_of_the_last_stage(base: Document, key: str, whole: str) -> None:
    assert dotted(expand(key, base)) == whole


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("projecter.use", "no key 'projecter' in a recipe; did you mean 'projector'?"),
        ("los", "no key 'los' in a recipe; did you mean 'losses'?"),
        ("stages.tunes.epochs", "the base has no stage 'tunes'; did you mean 'tune'?"),
        ("stages.tune.epoch", "no key 'stages.tune.epoch'; did you mean 'epochs'?"),
        ("validation.batch", "no key 'stages.tune.validation.batch'; did you mean 'batch_size'?"),
        ("learning_rates.tower", "no key 'stages.tune.learning_rates.tower'; there is 'backbone', 'projector', "),
        ("seed", "cannot be varied here; the grid's key 'seeds' does that"),
    ],
)
def test_a_key_that_does_not_exist_is_told_with_the_nearest(base: Document, key: str, told: str) -> None:
    with pytest.raises(ValueFaultError) as raised:
        expand(key, base)
    assert str(raised.value).startswith(told)


def test_a_base_without_stages_is_told() -> None:
    with pytest.raises(ValueFaultError, match=r"^the base 'b\.toml' has no stage$"):
        expand("losses", Document("b.toml", {"name": "b"}))


def test_losses_and_stages_are_named_tables_and_nothing_else_is() -> None:
    assert [
        key for key in ("stages", "stages.a.losses", "stages.a", "projector") if holds_tables((*key.split("."),))
    ] == [
        "stages",
        "stages.a.losses",
    ]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("projector", "projectors"),
        ("projector.use", "projectors"),
        ("text_filter.use", "text_filters"),
        ("stages.a.losses", "losses"),
        ("stages.a.losses.b.use", "losses"),
        ("stages.a.validation.data.use", "datasets"),
        ("stages.a.epochs", None),
        ("projector.depth", None),
        ("paths.a", None),
        ("stages", None),
    ],
)
def test_the_kind_of_a_part_is_read_off_the_recipe(key: str, kind: str | None) -> None:
    assert kind_at((*key.split("."),)) == kind
