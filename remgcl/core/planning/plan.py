"""What a recipe will do, and everything that would stop it, without doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar, cast

from attrs import Factory, define, evolve, frozen

from remgcl.core.errors import DataError, Fault, FaultsError, RemgclError
from remgcl.core.files.extras import missing
from remgcl.core.ocr.cache import OcrCache, Origin, content_of
from remgcl.core.parts import BackboneSpec, Census, Dataset, Layout, Pretrained, TowerSpec
from remgcl.core.parts.within import parts_in
from remgcl.core.planning.backbones import try_backbone_of
from remgcl.core.planning.estimate import Estimate, Sizes, lengths_of, make_estimate
from remgcl.core.planning.learning import adapter_notes, count_part, idle_stages
from remgcl.core.planning.pairs import Blind, blind_losses
from remgcl.core.planning.trials import try_out, verify_tokenizer
from remgcl.core.recipe.recipe import PARTS, PartName, Recipe, Stage
from remgcl.core.registry.culprit import culprit

T = TypeVar("T")
P = TypeVar("P", bound=Pretrained)

Censuses: TypeAlias = list[tuple[Dataset, Census | None]]

LOOKED_AT = 2000
"""Images of a dataset that are looked for in an OCR cache; reading all may take hours."""


@frozen(kw_only=True)
class Coverage:
    """How many images without regions of their own an OCR cache knows.

    Attributes:
        images: Such images among those that were examined, at even intervals.
        covered: Those that the cache knows.
    """

    images: int
    covered: int


@frozen(kw_only=True)
class OcrPlan:
    """The OCR cache of a stage.

    Attributes:
        origin: What it was made by.
        digest: Changes when it holds other images, or is made by something else.
        train: Coverage of the training data, if that was examined.
        held_out: The same of the validation data, if there is any.
    """

    origin: Origin
    digest: str
    train: Coverage | None = None
    held_out: Coverage | None = None


@frozen(kw_only=True)
class StagePlan:
    """What a stage will do.

    Attributes:
        train: What the training data holds.
        held_out: What the validation data holds, if there is any.
        steps: Optimizer steps; on one process, where their number is not known.
        ocr: The cache of text regions, if there is one.
        estimate: Its cost, if requested and if the data count their words.
        notes: What a user should know, one sentence each.
    """

    train: Census
    held_out: Census | None
    steps: int
    ocr: OcrPlan | None
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()


@frozen(kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        parameters: Parameters of each part.
        learnable: Those that learn in a stage that trains the part.
        image_tokens: Tokens an image takes in the language model.
        layout: How the runner spreads the training.
        stages: What each stage will do, in order.
        notes: Remarks about the parts, one sentence each.
    """

    parameters: dict[PartName, int]
    learnable: dict[PartName, int]
    image_tokens: int
    layout: Layout
    stages: dict[str, StagePlan]
    notes: tuple[str, ...] = ()


@define
class Findings:
    """Results that recipes with the same parts or data share."""

    _known: list[tuple[object, Callable[[], object]]] = Factory(list)

    def of(self, what: object, find: Callable[[], T]) -> T:
        """Return the cached result or error, or compute it.

        Args:
            what: What it depends on; parts need not be hashable.
            find: How.
        """
        known = next((recall for of, recall in self._known if of == what), None)
        if known is None:
            known = self._found(find)
            self._known.append((what, known))
        return cast("T", known())

    def _found(self, find: Callable[[], object]) -> Callable[[], object]:
        """Compute something, and return a function that returns or raises the outcome again."""
        try:
            found = find()
        except RemgclError as error:
            return partial(_raise, error)
        return lambda: found


def _raise(error: RemgclError) -> NoReturn:
    raise error


def make_plan(recipe: Recipe, name: str, *, counted: bool = True, findings: Findings | None = None) -> Plan:
    """Verify weights, data and images, and plan the run.

    Args:
        recipe: The recipe.
        name: The recipe's file, for errors.
        counted: Whether to count parameters and the images that an OCR cache
            knows, and to estimate costs, which may take seconds.
        findings: What other plans found out, and where this one adds to it.

    Raises:
        FaultsError: All that would stop the run.
    """
    faults = [Fault(name, key, what) for key, part in parts_in(recipe) for what in missing(part.requires)]
    unusable = {fault.key for fault in faults}
    once = (findings or Findings()).of

    def attempt(key: str, make: Callable[[], T]) -> T | None:
        if key in unusable:
            return None
        try:
            return make()
        except RemgclError as error:
            blamed = culprit(error)
            faults.extend(_faults_of(error, name, key))
            faults.extend([Fault("", "", blamed)] if blamed else [])
        return None

    parts = recipe.vision_tower, recipe.backbone
    tower = attempt("vision_tower", lambda: once(parts[0], lambda: _verified(parts[0]).spec()))
    backbone = attempt("backbone", lambda: once(parts[1], lambda: _verified(parts[1]).spec()))
    attempt("runner", lambda: recipe.runner.verify(recipe))
    if tower and backbone:
        attempt("backbone", partial(once, ("tokenizer", parts[1]), partial(verify_tokenizer, parts[1], backbone)))
        try_out(recipe, tower, backbone, attempt, counted=counted)
        try_backbone_of(recipe, backbone, attempt, once)
    censuses: Censuses = []
    for key, stage in recipe.stages.items():
        _take_censuses(key, stage, censuses, lambda path, data: attempt(path, partial(once, data, data.census)))
        faults += _stage_faults(name, key, stage, tower, backbone)
    ocr: dict[str, OcrPlan | None] = {
        key: attempt(f"stages.{key}.ocr", partial(_ocr, Path(stage.ocr), stage, once, covers=counted and not faults))
        for key, stage in recipe.stages.items()
        if stage.ocr is not None
    }
    counts: dict[str, tuple[int, int] | None] = {}
    if tower and backbone and counted:
        widths = tower.width, backbone.width
        counts = {
            "vision_tower": attempt("vision_tower", lambda: once((parts[0],), lambda: count_part(parts[0]))),
            "projector": attempt("projector", lambda: count_part(recipe.projector, *widths)),
            "backbone": attempt("backbone", lambda: once((parts[1],), lambda: count_part(parts[1]))),
        }
    faults += idle_stages(name, recipe, counts)
    blind = Blind()
    if tower and backbone and counted and not faults:
        blind = attempt("stages", lambda: blind_losses(recipe, tower, backbone, _by_stage(recipe, censuses))) or blind
        faults += [Fault(name, *fault) for fault in blind.faults]
    if faults or tower is None or backbone is None:
        raise FaultsError(list(dict.fromkeys(faults)))
    parameters: dict[PartName, int] = {part: count[0] for part in PARTS if (count := counts.get(part))}
    learnable: dict[PartName, int] = {part: count[1] for part in PARTS if (count := counts.get(part))}
    sizes = Sizes(parameters=parameters, learnable=learnable, tower=tower, backbone=backbone) if counted else None
    return Plan(
        parameters=parameters,
        learnable=learnable,
        image_tokens=tower.tokens,
        layout=recipe.runner.layout(),
        notes=adapter_notes(parts[1]) if counted else (),
        stages={
            key: evolve(_planned(recipe, key, censuses, ocr.get(key), sizes), notes=blind.notes.get(key, ()))
            for key in recipe.stages
        },
    )


def _faults_of(error: RemgclError, name: str, key: str) -> Sequence[Fault]:
    """Add the place to an error; errors of data name their own file."""
    if isinstance(error, FaultsError):
        return error.faults
    return [Fault("", "", str(error)) if isinstance(error, DataError) else Fault(name, key, str(error))]


def _verified(part: P) -> P:
    """Verify a part's weights before they are used."""
    part.verify()
    return part


def _ocr(path: Path, stage: Stage, once: Callable[..., Coverage], *, covers: bool) -> OcrPlan:
    """Open the cache of a stage, and see how much it knows of the stage's images."""
    cache = OcrCache.open(path)
    if not covers:
        return OcrPlan(origin=cache.origin, digest=cache.digest)

    def coverage(data: Dataset) -> Coverage:
        return once((cache.digest, data), lambda: _coverage(data, cache))

    held_out = coverage(stage.validation.data) if stage.validation else None
    return OcrPlan(origin=cache.origin, digest=cache.digest, train=coverage(stage.data), held_out=held_out)


def _coverage(data: Dataset, cache: OcrCache) -> Coverage:
    """Look for some images of a dataset in a cache."""
    samples = data.build()
    looked_at = min(len(samples), LOOKED_AT)
    spread = (samples[place * len(samples) // looked_at] for place in range(looked_at))
    known = [content_of(sample) in cache for sample in spread if sample.image is not None and not sample.regions]
    return Coverage(images=len(known), covered=sum(known))


def _planned(recipe: Recipe, key: str, censuses: Censuses, ocr: OcrPlan | None, sizes: Sizes | None) -> StagePlan:
    stage, layout = recipe.stages[key], recipe.runner.layout()
    train = _census(stage.data, censuses)
    held_out = _census(stage.validation.data, censuses) if stage.validation else None
    steps_an_epoch = ceil(
        ceil(train.samples / (stage.batch_size * (layout.processes or 1))) / stage.gradient_accumulation_steps
    )
    steps = ceil(steps_an_epoch * stage.epochs)
    estimate = None
    if sizes and train.words:
        estimate = make_estimate(
            stage,
            sizes=sizes,
            layout=layout,
            lengths=lengths_of(train.words, sizes.tower.tokens, stage.max_length),
            samples=train.samples,
            steps=steps,
            saved=recipe.saved(key),
        )
    return StagePlan(train=train, held_out=held_out, steps=steps, ocr=ocr, estimate=estimate)


def _take_censuses(key: str, stage: Stage, censuses: Censuses, take: Callable[[str, Dataset], Census | None]) -> None:
    """Count the data of a stage, unless another stage has the same."""
    held_out = {f"stages.{key}.validation.data": stage.validation.data} if stage.validation else {}
    for path, data in {f"stages.{key}.data": stage.data, **held_out}.items():
        if all(data != other for other, _ in censuses):
            censuses.append((data, take(path, data)))


def _by_stage(recipe: Recipe, censuses: Censuses) -> dict[str, Census]:
    return {key: _census(stage.data, censuses) for key, stage in recipe.stages.items()}


def _census(data: Dataset, censuses: Censuses) -> Census:
    """Find what was counted of a dataset; datasets need not be hashable."""
    return next(census for other, census in censuses if other == data and census is not None)


def _stage_faults(
    name: str, key: str, stage: Stage, tower: TowerSpec | None, backbone: BackboneSpec | None
) -> list[Fault]:
    """Report the settings of a stage that its tower or backbone does not allow."""
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
