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
        weight: What the loss is multiplied by in the total, at its highest.
        schedule: Shape of the weight over the stage, after its warm-up.
        warmup_ratio: Share of the stage in which the weight rises from 0.
        text_layer: Layer of the language model whose states are the text side;
            0 is its input embeddings, -1 its last layer.
        objective: What is made of the similarities.
        temperature: What similarities are divided by.
        bias: Added to every pair's logit by ``sigmoid``; no other uses it.
        learned: Whether temperature and bias are learned, from these values on.
        across_ranks: Whether the pairs of other ranks are negatives too.
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
            texts=(masked_mean(features.answer, features.answer_mask)[of],),  # [N, D]
            weight=self.weights(features),
            keys=(features.image_key, features.answer_key[of]),
        )

    def _patches(self, features: Features) -> Tensor:
        return features.patch_mask | self.padding
