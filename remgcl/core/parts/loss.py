"""The contract of losses: the features of a batch to one scalar."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import ge

from remgcl.core.features import Features
from remgcl.core.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor


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
