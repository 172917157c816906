"""A loss for remgcl: each image and answer against the hardest wrong one of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import gt
from remgcl import Features, Loss, gather, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class HardNegative(Loss):
    """Hold each image and its answer closer than the nearest wrong answer and the nearest wrong image.

    Source: VSE++, the max of hinges (Faghri et al. 2018, equation 6). Images
    and answers are their mean patches and tokens; those of all ranks can be the
    nearest wrong ones, but not those of the same image or the same answer.

    Attributes:
        margin: How much closer, as a cosine.
    """

    margin: float = field(default=0.2, validator=gt(0))

    def __call__(self, features: Features) -> Tensor:
        """Average, over the pairs, by how much the nearest wrong ones come too close."""
        images, texts, valid = _pairs(features)
        mine = (features.image_key, features.answer_key[features.image_sample])
        (others, phrases, there, *keys), _ = gather(images, texts, valid, *mine)
        wrong = there & (mine[0][:, None] != keys[0]) & (mine[1][:, None] != keys[1])  # [N, all]
        right = (images * texts).sum(dim=1)  # [N]
        answer, image = _nearest(images @ phrases.T, wrong), _nearest(texts @ others.T, wrong)  # [N], [N]
        violation = (self.margin + answer - right).clamp(min=0) + (self.margin + image - right).clamp(min=0)
        return (violation * valid).sum() / valid.sum().clamp(min=1) + features.zero()

    def count(self, features: Features) -> Tensor:
        """Count the pairs, as the loss is a mean over them."""
        return _valid(features).sum()


def _pairs(features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Give each image's mean patch and its answer's mean token, of length 1 `[N, D]`, and which pairs count `[N]`."""
    from torch.nn.functional import normalize

    images = normalize(_mean(features.patches, features.patch_mask), dim=1)
    texts = normalize(_mean(features.answer, features.answer_mask), dim=1)[features.image_sample]
    return images, texts, _valid(features)


def _nearest(cosines: Tensor, wrong: Tensor) -> Tensor:
    """Give the cosine of the nearest wrong one `[N]`, -inf where there is none, of all `[N, all]`."""
    from torch.nn.functional import pad

    return pad(cosines.masked_fill(~wrong, float("-inf")), (0, 1), value=float("-inf")).amax(dim=1)


def _mean(rows: Tensor, mask: Tensor) -> Tensor:
    """Average the rows where a mask is true: `[M, K, D]`, bool `[M, K]` to `[M, D]`."""
    weights = mask.float()
    shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1)
    return (shares[:, :, None] * rows.float()).sum(dim=1)


def _valid(features: Features) -> Tensor:
    """Tell the images with content whose answer has a token: bool `[N]`."""
    return features.patch_mask.any(dim=1) & features.answer_mask.any(dim=1)[features.image_sample]


@hookimpl
def remgcl_register_losses() -> Mapping[str, type[Loss]]:
    """Name the loss."""
    return {"hard-negative": HardNegative}
