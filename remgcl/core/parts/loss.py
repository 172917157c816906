"""The contract of losses: the features of a batch to one scalar."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import cos, pi
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import field, frozen
from attrs.validators import and_, ge, le

from remgcl.core.features import Features
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import number, returns, scalar, that

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class Loss(Part):
    """The features of a batch to one scalar.

    Attributes:
        weight: What the scalar is multiplied by in the total, at its highest.
        schedule: Course of the weight over the stage, after its warm-up.
        warmup_ratio: Share of the stage in which the weight rises from 0.
        text_layer: Layer of the language model whose hidden states are the text side; 0 is its input
            embeddings, -1 its last layer.
    """

    table: ClassVar[str] = "stages.NAME.losses."

    weight: float = field(default=1.0, validator=ge(0))
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_ratio: float = field(default=0.0, validator=and_(ge(0), le(1)))
    text_layer: int = 0

    @abstractmethod
    def __call__(self, features: Features) -> Tensor:
        """Compute the unweighted loss `[]`, whatever the order of samples, images and regions.

        Features are not changed. A loss that uses other ranks calls
        `gather` on each, whatever its batch holds; averaged over ranks by its
        `count`, it equals the loss of one process with all their batches.

        Args:
            features: Projected patches, answers and regions; any may be empty,
                and the loss is then `features.zero()`.
        """

    @returns("a function of features, or a torch module", that(callable))
    def build(self, width: int) -> Callable[[Features], Tensor]:
        """Make what a training calls; by default the loss itself.

        A loss with parameters returns a torch module: its parameters are
        trained with the model, saved and resumed.

        Args:
            width: Width D of the language model.
        """
        del width
        return self

    @returns("a scalar tensor", that(scalar))
    def count(self, features: Features) -> Tensor:
        """Count what the scalar is a mean over `[]`; by default it is one thing, the batch.

        Batches whose gradients are added up weigh by it, so that the mean is
        that over all of them, however they were cut.

        Args:
            features: The features, of which only masks and regions may be
                looked at: their width D is 0.
        """
        return features.zero().detach() + 1

    @returns(
        "a mapping from names to scalar tensors",
        that(
            lambda found: (
                isinstance(found, Mapping) and all(isinstance(key, str) and scalar(found[key]) for key in found)
            )
        ),
    )
    def diagnose(self, features: Features) -> Mapping[str, Tensor]:
        """Return scalars to log beside the loss; by default none.

        Called without gradient, for one batch of each log line.

        Args:
            features: The features of that batch.
        """
        del features
        return {}

    @returns("a finite number", that(number))
    def weight_at(self, progress: float) -> float:
        """Return the weight at a point of the stage.

        Args:
            progress: Share of the stage's steps that are done, from 0 to 1.
        """
        if progress < self.warmup_ratio:
            return self.weight * progress / self.warmup_ratio
        left = (1 - progress) / max(1 - self.warmup_ratio, 1e-9)
        falling = {"constant": 1.0, "linear": left, "cosine": (1 - cos(pi * left)) / 2}
        return self.weight * falling[self.schedule]
