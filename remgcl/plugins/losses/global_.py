"""The coarsest granularity: a whole image and the whole answer about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss, cosine, masked_mean, same_rows

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class Global(ContrastiveLoss):
    """The mean patch of an image against the mean token of its answer.

    Source: REMGCL, global contrastive loss; there with ``objective =
    "alignment"``, ``temperature = 0.5``, ``weight = 0.01`` and
    ``padding = true``.

    Attributes:
        weight: What the loss is multiplied by in the total.
        objective: What is made of the similarities.
        temperature: What similarities are divided by.
        bias: Added to every pair's logit by ``sigmoid``; no other uses it.
        padding: Whether patches that show only padding count in the mean.
    """

    padding: bool = False

    def compare(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Compare the means of both sides."""
        mask = features.patch_mask | self.padding
        images = masked_mean(features.patches, mask)  # [N, D]
        texts = masked_mean(features.answer, features.answer_mask)[features.image_sample]  # [N, D]
        valid = mask.any(dim=1) & features.answer_mask.any(dim=1)[features.image_sample]  # [N]
        return cosine(images, texts), valid, same_rows(texts)
