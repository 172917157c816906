"""The contract of every kind of part.

A part is a frozen attrs class: its fields are the keys of its table in a
recipe, its docstring is its documentation, and `build` makes the runtime
object (a loss is simply called). Settings live in fields; runtime objects come
as arguments. Reading, checking or comparing parts must not import torch or any
other heavy library: such imports belong inside `build` and its like.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from attrs import field, frozen
from attrs.validators import ge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from remgcl.core.features import Features
    from remgcl.core.job import Job
    from remgcl.core.samples import Piece, Sample, Turn


Aspect: TypeAlias = Literal["pad", "crop", "stretch"]
"""How an image is made to fit a tower."""


@frozen(kw_only=True)
class Part(ABC):  # noqa: B024 - each kind has its own abstract methods
    """What every kind of part is: settings, and how to make the real thing."""


@frozen(kw_only=True)
class Grid:
    """The patches of a tower on its input image.

    Attributes:
        rows: Rows of patches.
        columns: Columns of patches.
        patch: Height and width of a patch in input pixels. Rows times height
            may fall short of the input: what is left over is seen by no patch.
    """

    rows: int
    columns: int
    patch: tuple[float, float]

    @property
    def patches(self) -> int:
        """The number of patches."""
        return self.rows * self.columns


@frozen(kw_only=True)
class TowerSpec:
    """What a vision tower declares of itself, without loading its weights.

    Attributes:
        width: Width Dv of its features.
        size: Height and width of its input in pixels.
        grid: Its patches on that input.
        class_token: Whether its features start with a class token.
        mean: Mean of the input's colours, from 0 to 1.
        std: Standard deviation of the input's colours.
    """

    width: int
    size: tuple[int, int]
    grid: Grid
    class_token: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def tokens(self) -> int:
        """The number of tokens an image takes in the language model."""
        return self.grid.patches + self.class_token


@frozen(kw_only=True)
class VisionTower(Part):
    """Turn images into patch features."""

    @abstractmethod
    def spec(self) -> TowerSpec:
        """Declare grid, class token, input and width.

        Raises:
            WeightsError: Its configuration cannot be found or read.
        """

    @abstractmethod
    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the module: normalised pixels `[N, 3, H, W]` to features `[N, P, Dv]`.

        With a class token, features are `[N, 1 + P, Dv]` and it comes first.
        Patches are in rows from the upper left.

        Args:
            pretrained: Whether to load weights; otherwise they are random, and
                nothing is read but a configuration.

        Raises:
            WeightsError: Its weights cannot be found or read.
        """

    @property
    def restorable(self) -> bool:
        """Whether `build` gives the same weights each time, so that none need be saved."""
        return False

    def verify(self) -> None:
        """Make sure that the weights exist, without reading them.

        Raises:
            WeightsError: They do not; the error says how to get them.
        """

    def parameters(self) -> int:
        """Count the parameters; override where that needs no heavy library."""
        return count(lambda: self.build(pretrained=False))


@frozen(kw_only=True)
class Projector(Part):
    """Turn patch features into input embeddings of the language model."""

    @abstractmethod
    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Make the module: `[N, P, width_in]` to `[N, P, width_out]`.

        Args:
            width_in: Width Dv of the vision tower.
            width_out: Width D of the language model.

        Raises:
            RemgclError: It cannot join these widths.
        """

    def parameters(self, width_in: int, width_out: int) -> int:
        """Count the parameters; override where that needs no heavy library.

        Args:
            width_in: Width Dv of the vision tower.
            width_out: Width D of the language model.
        """
        return count(lambda: self.build(width_in, width_out))


@frozen(kw_only=True)
class BackboneSpec:
    """What a backbone declares of itself, without loading its weights.

    Attributes:
        width: Width D of its embeddings.
        vocabulary: Number of rows of its embedding table.
        max_length: Longest sequence it can attend to, in tokens; None if
            nothing bounds it.
    """

    width: int
    vocabulary: int
    max_length: int | None = None


@frozen(kw_only=True)
class Backbone(Part):
    """The language model and its tokenizer."""

    @abstractmethod
    def spec(self) -> BackboneSpec:
        """Declare width and vocabulary.

        Raises:
            WeightsError: Its configuration cannot be found or read.
        """

    @abstractmethod
    def build_tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Make the tokenizer of transformers; it must give character offsets.

        Raises:
            WeightsError: It cannot be found or read.
        """

    @abstractmethod
    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the causal language model, with the interface of transformers.

        Args:
            pretrained: Whether to load weights; otherwise they are random, and
                nothing is read but a configuration.

        Raises:
            WeightsError: Its weights cannot be found or read.
        """

    @property
    def restorable(self) -> bool:
        """Whether `build` gives the same weights each time, so that none need be saved."""
        return False

    def verify(self) -> None:
        """Make sure that the weights exist, without reading them.

        Raises:
            WeightsError: They do not; the error says how to get them.
        """

    def parameters(self) -> int:
        """Count the parameters; override where that needs no heavy library."""
        return count(lambda: self.build(pretrained=False))


@frozen(kw_only=True)
class Template(Part):
    """Write a conversation as the language model reads it."""

    @abstractmethod
    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - see above
        """Render a conversation; what is learned are the assistant's turns.

        The tokenizer's beginning-of-sequence token is added later, unless the
        first piece starts with it.

        Args:
            turns: At least one turn. If the last is the user's, the text ends
                where the assistant's answer begins.
            tokenizer: The backbone's tokenizer, for its special tokens.
        """


class Samples(Protocol):
    """A sequence of samples that tells their kind and length without reading images."""

    def __len__(self) -> int:
        """Count the samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Read a sample; this happens in a loader worker.

        Args:
            index: From 0 to the length.

        Raises:
            DataError: The record or its image cannot be read.
        """
        ...

    def modality_lengths(self) -> Sequence[int]:
        """Give each sample's length in words, negative if it has no image."""
        ...


@frozen(kw_only=True)
class Census:
    """What a dataset holds.

    Attributes:
        samples: Number of samples.
        images: Number of samples with an image.
        digest: Changes when the records change, for a run folder to remember.
        notes: What a user should know, one sentence each.
    """

    samples: int
    images: int
    digest: str
    notes: tuple[str, ...] = ()


@frozen(kw_only=True)
class Dataset(Part):
    """Conversations about images."""

    @abstractmethod
    def census(self) -> Census:
        """Count what there is, and verify that every image exists.

        Raises:
            DataError: The data cannot be read or breaks its format.
            FaultsError: Records or images at fault, all of them that were found.
        """

    @abstractmethod
    def build(self) -> Samples:
        """Make the sequence of samples.

        Raises:
            DataError: The data cannot be read or breaks its format.
        """


@frozen(kw_only=True)
class TextFilter(Part):
    """Choose the tokens of an answer that the contrastive losses look at."""

    @abstractmethod
    def build(self, tokenizer: Any) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:  # noqa: ANN401 - see above
        """Make the function: token ids `[T]` to True where a token is kept `[T]`.

        It runs in loader workers.

        Args:
            tokenizer: The backbone's tokenizer.
        """


@frozen(kw_only=True)
class Loss(Part):
    """The features of a batch to one scalar.

    Attributes:
        weight: What the scalar is multiplied by in the total.
    """

    weight: float = field(default=1.0, validator=ge(0))

    @abstractmethod
    def __call__(self, features: Features) -> Tensor:
        """Compute the unweighted loss `[]`.

        Args:
            features: Projected patches, answers and regions; any may be empty,
                and the loss is then `features.zero()`.
        """


@frozen(kw_only=True)
class Runner(Part):
    """Train the stages of a recipe on some machine."""

    @abstractmethod
    def run(self, job: Job) -> None:
        """Train one stage and save its model.

        Args:
            job: The stage: its model, objective, data and folder.

        Raises:
            RunError: The stage cannot be finished.
        """


def count(build: Callable[[], nn.Module]) -> int:
    """Count the parameters of a module without making its tensors.

    Args:
        build: Makes the module.
    """
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build().parameters())
