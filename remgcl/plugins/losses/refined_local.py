"""The finest granularity: the patches of a line of text and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss, cosine

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class RefinedLocal(ContrastiveLoss):
    """The mean patch of a text region against the mean token of its text.

    Source: REMGCL, refined local contrastive loss; there with ``objective =
    "alignment"``, ``temperature = 0.5`` and ``weight = 0.01``.
    """

    def compare(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Compare each region's patches with its text."""
        regions = features.regions
        texts = regions.text_key
        same = texts[:, None] == texts[None, :]
        valid = regions.patch_weights.sum(dim=1) > 0
        return cosine(region_patches(features), regions.text), valid, same


def region_patches(features: Features) -> Tensor:
    """Average the patches of each region `[R, D]`, as one product.

    The weights are laid out over the patches of all images, `[R, N * P]`, so
    that no image's patches are copied for each of its regions.

    Args:
        features: The features of a batch.
    """
    import torch

    regions, patches = features.regions, features.patches
    images = torch.arange(len(patches), device=patches.device)
    owner = regions.image[:, None] == images  # [R, N]
    weights = owner[:, :, None] * regions.patch_weights[:, None, :]  # [R, N, P]
    return weights.flatten(1) @ patches.flatten(0, 1)
