"""The finest granularity: the patches of a line of text and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import frozen

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss, Pairs, mean

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class RefinedLocal(ContrastiveLoss):
    """The mean patch of a text region against the mean token of its text.

    Source: REMGCL, refined local contrastive loss; there with ``objective =
    "alignment"``, ``temperature = 0.5`` and ``weight = 0.01``, and with
    ``confidence = "centred"`` in a variant that was switched off.

    Attributes:
        confidence: The weight of a region: 1 (``equal``), the OCR confidence c of its text (``certainty``),
            or ``c + 1 - mean(c)`` over the batch (``centred``).
    """

    confidence: Literal["equal", "certainty", "centred"] = "equal"

    def weights(self, features: Features) -> Tensor:
        """Weigh the regions that own a patch."""
        regions = features.regions
        valid = (regions.patch_weights.sum(dim=1) > 0).float()
        if self.confidence == "equal":
            return valid
        certainty = regions.confidence.float()
        if self.confidence == "certainty":
            return valid * certainty
        return valid * (certainty + 1 - mean(certainty, valid))

    def pairs(self, features: Features) -> Pairs:
        """Take the mean of each region's patches, and its text."""
        regions = features.regions
        return Pairs(
            images=(region_patches(features),),  # [R, D]
            texts=(regions.text,),  # [R, D]
            weight=self.weights(features),
            keys=(regions.text_key,),
        )


def region_patches(features: Features) -> Tensor:
    """Average the patches of each region `[R, D]`, as one product.

    With `of_image` it is one product an image, of its own regions; without, the
    weights are laid out over the patches of all images, `[R, N * P]`. Neither
    copies an image's patches for each of its regions.

    Args:
        features: The features of a batch.
    """
    import torch

    regions, patches = features.regions, features.patches
    count, width = len(regions.image), patches.shape[2]
    if regions.of_image is None:
        images = torch.arange(len(patches), device=patches.device)
        owner = regions.image[:, None] == images  # [R, N]
        weights = owner[:, :, None] * regions.patch_weights[:, None, :]  # [R, N, P]
        return weights.flatten(1) @ patches.flatten(0, 1)
    padded = torch.cat([regions.patch_weights, regions.patch_weights.new_zeros(1, patches.shape[1])])
    means = padded[regions.of_image] @ patches  # [N, M, D]
    return means.new_zeros(count + 1, width).index_copy(0, regions.of_image.flatten(), means.flatten(0, 1))[:count]
