"""The coarsest granularity: a whole image and the whole answer about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss, Pairs, masked_mean

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class Global(ContrastiveLoss):
    """The mean patch of an image against the mean token of its answer.

    Source: REMGCL, global contrastive loss; there with ``objective =
    "alignment"``, ``temperature = 0.5``, ``weight = 0.01`` and
    ``padding = true``.

    Attributes:
        padding: Whether patches that show only padding count in the mean.
    """

    padding: bool = False

    def weights(self, features: Features) -> Tensor:
        """Count the images with a patch whose answer has a token."""
        answered = features.answer_mask.any(dim=1)[features.image_sample]
        return (self._patches(features).any(dim=1) & answered).float()

    def pairs(self, features: Features) -> Pairs:
        """Take the means of both sides."""
        of = features.image_sample
        return Pairs(
            images=(masked_mean(features.patches, self._patches(features)),),  # [N, D]
            texts=(masked_mean(features.answer, features.answer_mask).index_select(0, of),),  # [N, D]
            weight=self.weights(features),
            keys=(features.image_key, features.answer_key[of]),
        )

    def _patches(self, features: Features) -> Tensor:
        return features.patch_mask | self.padding
