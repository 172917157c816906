"""A recipe: the parts of a model and the stages that train it.

A recipe is the whole run. It can be read, checked, printed and compared
without building anything.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import field, frozen
from attrs.validators import and_, deep_iterable, ge, gt, le, lt, matches_re, optional

from remgcl.core.errors import Hint, ValueFaultError, listed
from remgcl.core.parts import (
    Aspect,
    Backbone,
    Benchmark,
    Dataset,
    Loss,
    Metric,
    Projector,
    Resampling,
    Runner,
    Template,
    TextFilter,
    VisionTower,
)
from remgcl.core.registry.registry import NAME

PartName: TypeAlias = Literal["vision_tower", "projector", "backbone"]

PARTS: tuple[PartName, ...] = ("vision_tower", "projector", "backbone")
"""The parts of a model that hold parameters, in the order the image meets them."""

LANGUAGE = "language"
"""The name of the language loss among the terms."""

LOCK = "lock"
"""The file that keeps two processes from training in one folder, beside the folders of its stages."""

KEY = "key"
"""In the metadata of a field: its key in a recipe, where Python cannot have it as a name."""

FROM = "from"
"""The key of what a stage starts from that no stage of its recipe made."""

SOURCES = "sources"
"""The folder of what stages started from, beside the folders of stages."""

_share = and_(ge(0.0), le(1.0))


@frozen(kw_only=True)
class Validation:
    """Held-out samples to answer before and after a stage.

    Attributes:
        data: The held-out samples; the last turn of each is the true answer.
        metric: The rule that scores the answers; without it, the share of exact matches.
        batch_size: Samples answered at once.
        max_new_tokens: Longest answer in tokens.
        pictures: How many samples to draw with their answers and regions.
    """

    data: Dataset
    metric: Metric | None = None
    batch_size: int = field(default=32, validator=ge(1))
    max_new_tokens: int = field(default=64, validator=ge(1))
    pictures: int = field(default=12, validator=ge(0))


def _some(_: object, __: object, names: tuple[str, ...]) -> None:
    if not names:
        raise ValueFaultError(f"must name a part that learns; there is {listed(PARTS)}")


def _named(_: object, __: object, losses: dict[str, Loss]) -> None:
    faults = [ValueFaultError("is the name of the language loss; take another", (LANGUAGE,))] * (LANGUAGE in losses)
    _raise([*faults, *(_misnamed(name, "a loss") for name in losses if not NAME.fullmatch(name))])


def _folders(_: object, __: object, benchmarks: dict[str, Benchmark]) -> None:
    _raise([_misnamed(name, "an evaluation") for name in benchmarks if not NAME.fullmatch(name)])


def _in_order(_: object, __: object, stages: dict[str, Stage]) -> None:
    if not stages:
        raise ValueFaultError("must hold a stage; it is empty")
    faults = [_misnamed(name, "a stage") for name in stages if not NAME.fullmatch(name)]
    taken = "is the name of a file or folder in every run folder; take another"
    faults += [ValueFaultError(taken, (name,)) for name in stages if name.lower() in {LOCK, SOURCES}]
    earlier: list[str] = []
    for name, stage in stages.items():
        if stage.after is not None and stage.source is not None:
            faults.append(ValueFaultError("cannot stand beside 'after'; a stage starts from one model", (name, FROM)))
        if stage.after is not None and stage.after not in earlier:
            hint = Hint(stage.after, tuple(earlier))
            faults.append(ValueFaultError(f"no stage {stage.after!r} comes before {name!r}; {hint}", (name, "after")))
        earlier.append(name)
    _raise(faults)


def _misnamed(name: str, what: str) -> ValueFaultError:
    return ValueFaultError(f"cannot be the name of {what}; letters, digits, '-' and '_' can", (name,))


def _raise(faults: list[ValueFaultError]) -> None:
    """Raise what was found: one fault as it is, several as a group."""
    if faults:
        raise faults[0] if len(faults) == 1 else ExceptionGroup("several faults", faults)


@frozen(kw_only=True)
class LearningRates:
    """Highest learning rates of parts that do not take the stage's own.

    Attributes:
        vision_tower: Of the vision tower.
        projector: Of the projector.
        backbone: Of the backbone.
    """

    vision_tower: float | None = field(default=None, validator=optional(gt(0)))
    projector: float | None = field(default=None, validator=optional(gt(0)))
    backbone: float | None = field(default=None, validator=optional(gt(0)))

    def given(self) -> dict[str, float]:
        """Return the rates by part, without those that are not set."""
        rates = {name: getattr(self, name) for name in PARTS}
        return {name: rate for name, rate in rates.items() if rate is not None}


def _of_learners(stage: Stage, _: object, rates: LearningRates) -> None:
    """Refuse rates of parts that are frozen; it depends on another field, so the keys are those of the stage."""
    fault = f"does not learn in this stage; there is {listed(stage.train)}"
    idle = [name for name in rates.given() if name not in stage.train]
    _raise([ValueFaultError(fault, ("learning_rates", name)) for name in idle])


@frozen(kw_only=True)
class Stage:
    """One training of the model: what it sees, what it learns, and how.

    Defaults are those of LLaVA-1.5's scripts.

    Attributes:
        data: The samples.
        template: How a conversation is written.
        train: The parts that learn; the others are frozen.
        losses: Losses added to the language loss; the key is the default part,
            and the name of the loss in logs.
        after: The stage whose model this one starts from; without it, it starts
            from the parts as they are built.
        source: The key `from`: a model that no stage of this recipe made, which
            this one starts from; a run folder, a stage's folder, or a path or
            hub id in a published format.
        validation: Held-out samples to answer before and after.
        evaluation: Benchmarks that the finished stage is evaluated on; the key is the default benchmark, and names the
            folder of the results.
        ocr: Folder of an OCR cache: the text regions of images whose record
            carries none.
        image_aspect: How an image is made to fit the tower.
        max_regions: Most text regions of an image that are used; the surest are.
        region_grid: Rows and columns of the grid that regions are laid on; the
            tower's own without it. The published code takes 14 whatever the
            tower, and patch i of that grid for patch i of the tower's.
        resampling: How an image is resized: as CLIP's processor does, or within
            two grey levels of it and faster.
        max_length: Longest sequence in tokens, image included; the text of a
            longer one is cut at its end.
        group_by_modality: Whether batches hold samples of one kind (with image
            or without) and of similar length.
        epochs: Passes over the data; may be a fraction.
        batch_size: Samples per device and step.
        gradient_accumulation_steps: Steps whose gradients are added up.
        learning_rate: Highest learning rate.
        learning_rates: Those of parts that have their own.
        schedule: Shape of the learning rate after the warm-up.
        warmup_ratio: Share of the steps in which the learning rate rises.
        weight_decay: AdamW's weight decay.
        betas: AdamW's decay of the means of gradients and of their squares.
        max_grad_norm: Gradients are scaled down to this norm.
        precision: Arithmetic of the forward pass.
        tf32: Whether products of float32 matrices may be rounded to TF32, on a
            GPU that can.
        gradient_checkpointing: Whether to recompute activations to save memory.
        save_steps: Optimizer steps between two checkpoints; without it, there
            is one at the end of each epoch.
        save_total_limit: Newest checkpoints that are kept.
        non_finite: What to do when the objective or a gradient is not a number:
            stop, or skip the step.
        max_skipped: Most steps that are skipped before the run stops after all.
        num_workers: Loader workers; 0 loads in the main process.
        logging_steps: Optimizer steps between two log lines.
        gradient_share_steps: Optimizer steps between two measurements of each
            term's share of the gradient; 0 measures none.
    """

    data: Dataset
    template: Template
    train: tuple[PartName, ...] = field(validator=_some)
    losses: dict[str, Loss] = field(factory=dict, validator=_named)
    after: str | None = None
    source: str | None = field(default=None, metadata={KEY: FROM})
    validation: Validation | None = None
    evaluation: dict[str, Benchmark] = field(factory=dict, validator=_folders)
    ocr: str | None = None
    image_aspect: Aspect = "pad"
    max_regions: int = field(default=256, validator=ge(1))
    region_grid: int | None = field(default=None, validator=optional(ge(1)))
    resampling: Resampling = "exact"
    max_length: int = field(default=2048, validator=ge(2))
    group_by_modality: bool = False
    epochs: float = field(default=1.0, validator=gt(0))
    batch_size: int = field(default=16, validator=ge(1))
    gradient_accumulation_steps: int = field(default=1, validator=ge(1))
    learning_rate: float = field(default=2e-5, validator=gt(0))
    learning_rates: LearningRates = field(factory=LearningRates, validator=_of_learners)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = field(default=0.03, validator=_share)
    weight_decay: float = field(default=0.0, validator=ge(0))
    betas: tuple[float, float] = field(default=(0.9, 0.999), validator=deep_iterable(and_(ge(0), lt(1))))
    max_grad_norm: float = field(default=1.0, validator=gt(0))
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    tf32: bool = False
    gradient_checkpointing: bool = False
    save_steps: int | None = field(default=None, validator=optional(ge(1)))
    save_total_limit: int = field(default=1, validator=ge(1))
    non_finite: Literal["stop", "skip"] = "stop"
    max_skipped: int = field(default=10, validator=ge(0))
    num_workers: int = field(default=0, validator=ge(0))
    logging_steps: int = field(default=10, validator=ge(1))
    gradient_share_steps: int = field(default=0, validator=ge(0))

    def rate(self, name: str) -> float:
        """Return the highest learning rate of a part, or of the parameters of losses.

        Args:
            name: A part, or anything else that learns.
        """
        return self.learning_rates.given().get(name, self.learning_rate)


@frozen(kw_only=True)
class Recipe:
    """The parts of a model and the stages that train it, in order.

    Attributes:
        name: The name of the run, and of its folder.
        vision_tower: Images to patch features.
        projector: Patch features to the language model's embeddings.
        backbone: The language model.
        runner: Where and how stages are trained.
        stages: The stages, in the order they run.
        text_filter: Selects the tokens of an answer that losses use; by default all.
        seed: Seed of weights, order and augmentation.
        without: Plugins that are switched off: none of their parts is there.
    """

    name: str = field(validator=matches_re(r"[A-Za-z0-9][A-Za-z0-9._-]*"))
    vision_tower: VisionTower
    projector: Projector
    backbone: Backbone
    runner: Runner
    stages: dict[str, Stage] = field(validator=_in_order)
    text_filter: TextFilter | None = None
    seed: int = field(default=42, validator=and_(ge(0), lt(2**32)))  # numpy takes no larger one
    without: tuple[str, ...] = ()

    def lineage(self, stage: str) -> tuple[str, ...]:
        """Name the stages that lead to a stage, the first first, itself last.

        Args:
            stage: A key of `stages`.
        """
        before = self.stages[stage].after
        return (*(self.lineage(before) if before else ()), stage)

    def saved(self, stage: str) -> tuple[PartName, ...]:
        """Name the parts that a stage saves: those that were trained, or that cannot be built again.

        Args:
            stage: A key of `stages`.
        """
        learned = {name for key in self.lineage(stage) for name in self.stages[key].train}
        again = {"vision_tower": self.vision_tower.restorable, "backbone": self.backbone.restorable}
        return tuple(name for name in PARTS if name in learned or not again.get(name))
