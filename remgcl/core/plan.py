"""What a recipe will do, and everything that would stop it, without doing it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TypeAlias, TypeVar

from attrs import frozen

from remgcl.core.errors import DataError, Fault, FaultsError, RemgclError
from remgcl.core.parts import BackboneSpec, Census, Dataset, Pretrained, TowerSpec
from remgcl.core.recipe import PARTS, Recipe, Stage

T = TypeVar("T")
P = TypeVar("P", bound=Pretrained)

Censuses: TypeAlias = list[tuple[Dataset, Census | None]]


@frozen(kw_only=True)
class StagePlan:
    """What a stage will do.

    Attributes:
        train: What the training data holds.
        held_out: What the validation data holds, if there is any.
        steps: Optimizer steps on one device.
    """

    train: Census
    held_out: Census | None
    steps: int


@frozen(kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        parameters: Parameters of each part.
        image_tokens: Tokens an image takes in the language model.
        stages: What each stage will do, in order.
    """

    parameters: dict[str, int]
    image_tokens: int
    stages: dict[str, StagePlan]


def make_plan(recipe: Recipe, name: str, *, parameters: bool = True) -> Plan:
    """Verify weights, data and images, and plan the run.

    Args:
        recipe: The recipe.
        name: The recipe's file, for errors.
        parameters: Whether to count parameters, which may take seconds.

    Raises:
        FaultsError: All that would stop the run.
    """
    faults: list[Fault] = []

    def attempt(key: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except FaultsError as error:
            faults.extend(error.faults)
        except DataError as error:
            faults.append(Fault("", "", str(error)))
        except RemgclError as error:
            faults.append(Fault(name, key, str(error)))
        return None

    tower = attempt("vision_tower", lambda: _verified(recipe.vision_tower).spec())
    backbone = attempt("backbone", lambda: _verified(recipe.backbone).spec())
    attempt("runner", lambda: recipe.runner.verify(recipe))
    censuses: Censuses = []
    for key, stage in recipe.stages.items():
        held_out = {f"stages.{key}.validation.data": stage.validation.data} if stage.validation else {}
        for path, data in {f"stages.{key}.data": stage.data, **held_out}.items():
            if all(data != other for other, _ in censuses):
                censuses.append((data, attempt(path, data.census)))
        faults += _stage_faults(name, key, stage, tower, backbone)
    counts: dict[str, int | None] = {}
    if tower and backbone and parameters:
        widths = tower.width, backbone.width
        counts = {
            "vision_tower": attempt("vision_tower", recipe.vision_tower.parameters),
            "projector": attempt("projector", lambda: recipe.projector.parameters(*widths)),
            "backbone": attempt("backbone", recipe.backbone.parameters),
        }
    if faults or tower is None:
        raise FaultsError(list(dict.fromkeys(faults)))
    return Plan(
        parameters={part: count for part in PARTS if (count := counts.get(part)) is not None},
        image_tokens=tower.tokens,
        stages={key: _planned(stage, censuses) for key, stage in recipe.stages.items()},
    )


def _verified(part: P) -> P:
    """Make sure of a part's weights, before anything is asked of them."""
    part.verify()
    return part


def _planned(stage: Stage, censuses: Censuses) -> StagePlan:
    train = _census(stage.data, censuses)
    held_out = _census(stage.validation.data, censuses) if stage.validation else None
    steps_an_epoch = ceil(ceil(train.samples / stage.batch_size) / stage.accumulation)
    return StagePlan(train=train, held_out=held_out, steps=ceil(steps_an_epoch * stage.epochs))


def _census(data: Dataset, censuses: Censuses) -> Census:
    """Find what was counted of a dataset; datasets need not be hashable."""
    return next(census for other, census in censuses if other == data and census is not None)


def _stage_faults(
    name: str, key: str, stage: Stage, tower: TowerSpec | None, backbone: BackboneSpec | None
) -> list[Fault]:
    """Tell the settings of a stage that its tower or backbone does not allow."""
    faults = []

    def fault(at: str, what: str) -> None:
        faults.append(Fault(name, f"stages.{key}.{at}", what))

    length = stage.max_length
    if tower and length <= tower.tokens:
        fault("max_length", f"{length} leaves no room for text; an image takes {tower.tokens} tokens")
    if backbone and backbone.max_length is not None and length > backbone.max_length:
        fault("max_length", f"{length} is more than the backbone can attend to; that is {backbone.max_length}")
    if tower and stage.region_grid and stage.region_grid**2 > tower.grid.patches:
        grid = f"{tower.grid.rows} x {tower.grid.columns}"
        fault("region_grid", f"{stage.region_grid} is more than the tower has; its patches are {grid}")
    for loss, settings in stage.losses.items():
        if backbone and not -backbone.layers <= settings.text_layer <= backbone.layers:
            fault(f"losses.{loss}.text_layer", f"no layer {settings.text_layer}; the backbone has {backbone.layers}")
    return faults
