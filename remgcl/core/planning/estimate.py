"""What a stage costs: tokens, arithmetic, memory and disk, by formula.

Nothing is measured and no model is built. The formulas are those of a
transformer; what they leave out stands in the docstring of each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import ceil

from attrs import frozen

from remgcl.core.parts import BackboneSpec, Layout, TowerSpec
from remgcl.core.recipe.recipe import PartName, Stage

TOKENS_A_WORD = 4 / 3
"""Tokens of an English word: about 100 tokens are 75 words."""

A100 = 312.0
"""Peak of an A100 in TFLOP/s, bfloat16 without sparsity (NVIDIA, A100 datasheet)."""

USED = 0.24
"""Share of the peak that LLaVA-1.5 reached: 2.3 samples/s of 32.1 TFLOP on an A100."""

FLOAT32, MOMENTS = 4, 8
"""Bytes of a float32, and of AdamW's two means."""

LAYER, KEPT = 34, 2
"""Bytes a token and unit of width that a layer keeps for its backward pass, and of its input alone."""


@frozen(kw_only=True)
class Length:
    """The tokens of a sample.

    Attributes:
        image: Those of its image; 0 without one.
        text: Those of its text, estimated.
    """

    image: int
    text: int

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.image + self.text


@frozen(kw_only=True)
class Memory:
    """Bytes that a training holds at its fullest.

    Attributes:
        weights: Of all parts; of sharded ones also what is gathered at once.
        gradients: Of what learns.
        optimizer: AdamW's state, with a float32 copy where weights have less.
        activations: What the backbone keeps for its backward pass, and logits.
    """

    weights: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.activations


@frozen(kw_only=True)
class Estimate:
    """What a stage costs.

    Attributes:
        image_tokens: Mean over the examined samples.
        text_tokens: The same of their text.
        flops: Of a sample, forward and backward; recomputation does not count.
        total: Of all samples and epochs.
        gpu: Memory of each GPU.
        host: Memory of the CPUs, over all processes.
        checkpoint: Bytes of a checkpoint on disk.
        checkpoints: Most of them that are there at once, the one that is being
            written included.
        model: Bytes of the saved model.
    """

    image_tokens: float
    text_tokens: float
    flops: float
    total: float
    gpu: Memory
    host: Memory
    checkpoint: float
    checkpoints: int
    model: float

    def hours(self, processes: int, tflops: float) -> float:
        """Return the time of the stage.

        Args:
            processes: Processes, one a GPU.
            tflops: What a GPU achieves, in TFLOP/s.
        """
        return self.total / (processes * tflops * 1e12) / 3600


@frozen(kw_only=True)
class Sizes:
    """How large a model is.

    Attributes:
        parameters: Of each part.
        learnable: Those of each part that learn where it is trained; with LoRA,
            those of the adapters.
        tower: What the tower declares.
        backbone: What the backbone declares.
    """

    parameters: Mapping[PartName, int]
    learnable: Mapping[PartName, int]
    tower: TowerSpec
    backbone: BackboneSpec

    def of(self, parts: Collection[PartName]) -> int:
        """Add up the parameters of some parts.

        Args:
            parts: Their names.
        """
        return sum(self.parameters[part] for part in parts)

    def learning(self, parts: Collection[PartName]) -> int:
        """Add up what learns in some parts.

        Args:
            parts: Their names.
        """
        return sum(self.learnable[part] for part in parts)


def lengths_of(words: Sequence[int], image: int, longest: int) -> list[Length]:
    """Estimate the tokens of samples from their words; those of the template are not counted.

    Args:
        words: Words of each sample, negative without an image.
        image: Tokens of an image.
        longest: Where a sequence is cut, its text at the end.
    """
    images = [image if count > 0 else 0 for count in words]
    return [
        Length(image=its, text=min(round(abs(count) * TOKENS_A_WORD), longest - its))
        for count, its in zip(words, images, strict=True)
    ]


def flops_of(length: Length, sizes: Sizes, train: Collection[PartName]) -> float:
    """Count the operations of a sample, forward and backward.

    * A matrix takes 2 operations a parameter and token forward, 2 for the
      gradient of its input, and 2 for its own where it learns (Kaplan et al.
      2020, section 2.1). The gradient passes through the backbone whatever
      learns, and through the projector where the tower learns. Of LoRA, only
      the adapters' own gradients are counted.
    * Attention has no parameters: ``12 L D S^2`` forward and backward, of
      which a causal mask is not taken off (Chowdhery et al. 2022, appendix B).
    * The input embedding is a lookup. Logits are made where a label is: at
      most at every token of the text.

    Attention inside the tower is left out, and so are the losses.

    Args:
        length: The sample's tokens S.
        sizes: The model: L layers of width D.
        train: The parts that learn.
    """
    spec = sizes.backbone
    table = spec.vocabulary * spec.width
    body = sizes.parameters["backbone"] - table * (1 if spec.tied else 2)
    share = sizes.learnable["backbone"] / sizes.parameters["backbone"] if sizes.parameters["backbone"] else 0
    learns = 4 + 2 * share * ("backbone" in train)
    backbone = learns * (body * length.tokens + table * length.text)
    attention = 12 * spec.layers * spec.width * length.tokens**2
    projector = 2 * (1 + ("projector" in train) + ("vision_tower" in train)) * sizes.parameters["projector"]
    tower = (6 if "vision_tower" in train else 2) * sizes.parameters["vision_tower"]
    return backbone + attention + (projector + tower) * length.image


def activations_of(batch: int, length: Length, spec: BackboneSpec, stage: Stage) -> float:
    """Return the bytes that a batch leaves for its backward pass.

    A layer keeps 34 bytes a token and unit of width in 16 bits, besides the
    table of attention, which none of today's kernels stores; with recomputation
    2, its input, and all of one layer at a time (Korthikanti et al. 2022,
    equations 2 and 6, without tensor parallelism). Logits, where a label is,
    stand there in 16 and 32 bits, each with its gradient. What tower, projector
    and losses keep is left out.

    Args:
        batch: Samples at once.
        length: Their tokens, each as long as the longest.
        spec: The backbone.
        stage: The stage, for its precision and recomputation.
    """
    element = _element(stage)
    layers = KEPT * spec.layers + LAYER if stage.gradient_checkpointing else LAYER * spec.layers
    states = batch * length.tokens * spec.width * layers * element / 2
    return states + batch * length.text * spec.vocabulary * 2 * (element + FLOAT32)


def memory_of(stage: Stage, sizes: Sizes, layout: Layout, longest: Length) -> tuple[Memory, Memory]:
    """Return the memory of each GPU, and of the CPUs over all processes.

    Where the runner holds weights in the stage's precision, a parameter that
    learns takes 2 + 2 + 12 bytes in 16 bits: weight, gradient, and a float32
    copy with AdamW's two means (Rajbhandari et al. 2020, section 3.1).
    Otherwise weights stay in float32, 4 + 4 + 8, with a copy in 16 bits of
    what learns while the forward pass runs. What is sharded is divided by the
    processes. Buffers of the framework are left out: add some GB on a GPU.

    Args:
        stage: The stage.
        sizes: The model.
        layout: Where the runner keeps what.
        longest: The longest sample.
    """
    every, learning = sizes.of(list(sizes.parameters)), sizes.learning(stage.train)
    element = _element(stage) if layout.casts else FLOAT32
    optimizer = MOMENTS + (FLOAT32 if layout.casts else 0)
    whole = {"weights": every * element, "gradients": learning * element, "optimizer": learning * optimizer}
    processes = layout.processes or 1
    gpu: dict[str, float] = dict.fromkeys(whole, 0.0)
    host: dict[str, float] = dict.fromkeys(whole, 0.0)
    for kind, size in whole.items():
        if kind in layout.offloaded:
            host[kind] = size if kind in layout.sharded else size * processes
        else:
            gpu[kind] = size / (processes if kind in layout.sharded else 1)
    if "weights" in layout.sharded:
        gpu["weights"] += min(layout.gathered, every) * element
    if not layout.casts and stage.precision != "float32":
        gpu["weights"] += learning * _element(stage)
    activations = activations_of(stage.batch_size, longest, sizes.backbone, stage)
    return Memory(**gpu, activations=activations), Memory(**host)


def make_estimate(  # noqa: PLR0913 - facts of a stage, each by its name
    stage: Stage,
    *,
    sizes: Sizes,
    layout: Layout,
    lengths: Sequence[Length],
    samples: int,
    steps: int,
    saved: Collection[PartName],
) -> Estimate:
    """Estimate what a stage costs.

    A checkpoint holds what learns with its optimizer, 12 bytes a parameter,
    and all weights too where the runner holds them in the stage's precision.

    Args:
        stage: The stage.
        sizes: The model.
        layout: Where the runner keeps what.
        lengths: Tokens of samples, at least one, at even intervals over the data.
        samples: Number of all samples.
        steps: Optimizer steps of the stage.
        saved: The parts that the stage's model keeps.
    """
    element = _element(stage) if layout.casts else FLOAT32
    flops = sum(flops_of(length, sizes, stage.train) for length in lengths) / len(lengths)
    gpu, host = memory_of(stage, sizes, layout, max(lengths, key=lambda length: length.tokens))
    engine = sizes.of(list(sizes.parameters)) * element if layout.casts else 0
    saves = steps // stage.save_steps if stage.save_steps else ceil(stage.epochs)
    return Estimate(
        image_tokens=sum(length.image for length in lengths) / len(lengths),
        text_tokens=sum(length.text for length in lengths) / len(lengths),
        flops=flops,
        total=flops * samples * stage.epochs,
        gpu=gpu,
        host=host,
        checkpoint=sizes.learning(stage.train) * (FLOAT32 + MOMENTS) + engine,
        checkpoints=min(saves, stage.save_total_limit + 1),
        model=sizes.of(saved) * element,
    )


def _element(stage: Stage) -> int:
    """Return the bytes of a number in the stage's precision."""
    return FLOAT32 if stage.precision == "float32" else FLOAT32 // 2
