"""A loss for remgcl: InfoNCE in which the hardest wrong pairs of the batch weigh most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import ge, gt
from remgcl import Features, Loss, gather, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

REMGCL_API = 1

LOWEST = -1e4
"""A logit that counts for nothing beside any cosine over a temperature."""


@frozen(kw_only=True)
class HardNegative(Loss):
    """Tell each image's answer from the wrong ones of the batch, the nearest of which weigh most, and the reverse.

    Source: InfoNCE with hard negatives (Robinson et al. 2021, equations 3 and
    4, without the correction for false negatives). Images and answers are their
    mean patches and tokens; those of all ranks are wrong ones, but not those of
    the same image or the same answer.

    Attributes:
        temperature: Divisor of the cosines.
        hardness: Concentration of the weights on the nearest wrong ones, beta
            in the source; 0 is InfoNCE.
    """

    temperature: float = field(default=0.07, validator=gt(0))
    hardness: float = field(default=0.5, validator=ge(0))

    def __call__(self, features: Features) -> Tensor:
        """Average, over the pairs, the cross entropy of the right one."""
        from torch import logaddexp

        images, texts, valid = _pairs(features)
        mine = (features.image_key, features.answer_key[features.image_sample])
        (others, phrases, there, *keys), _ = gather(images, texts, valid, *mine)
        wrong = there & (mine[0][:, None] != keys[0]) & (mine[1][:, None] != keys[1])  # [N, all]
        right = (images * texts).sum(dim=1) / self.temperature  # [N]
        answers = self._hardened(images @ phrases.T / self.temperature, wrong)  # [N]
        pictures = self._hardened(texts @ others.T / self.temperature, wrong)  # [N]
        each = (logaddexp(right, answers) + logaddexp(right, pictures)) / 2 - right  # [N]
        return (each * valid).sum() / valid.sum().clamp(min=1) + features.zero()

    def _hardened(self, logits: Tensor, wrong: Tensor) -> Tensor:
        """Add up the wrong ones, weighted by their hardness: the logarithm of the sum `[N]`."""
        most = ((1 + self.hardness) * logits).masked_fill(~wrong, LOWEST).logsumexp(dim=1)
        weights = (self.hardness * logits).masked_fill(~wrong, LOWEST).logsumexp(dim=1)
        count = wrong.sum(dim=1)
        return (most - weights + count.clamp(min=1).log()).masked_fill(count == 0, LOWEST)

    def count(self, features: Features) -> Tensor:
        """Count the pairs, as the loss is a mean over them."""
        return _valid(features).sum()


def _pairs(features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Return each image's mean patch and its answer's mean token, of length 1 `[N, D]`, and which pairs count `[N]`."""
    from torch.nn.functional import normalize

    images = normalize(_mean(features.patches, features.patch_mask), dim=1)
    texts = normalize(_mean(features.answer, features.answer_mask), dim=1)[features.image_sample]
    return images, texts, _valid(features)


def _mean(rows: Tensor, mask: Tensor) -> Tensor:
    """Average the rows where a mask is true: `[M, K, D]`, bool `[M, K]` to `[M, D]`."""
    weights = mask.float()
    shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1)
    return (shares[:, :, None] * rows.float()).sum(dim=1)


def _valid(features: Features) -> Tensor:
    """Mark the images with content whose answer has a token: bool `[N]`."""
    return features.patch_mask.any(dim=1) & features.answer_mask.any(dim=1)[features.image_sample]


@hookimpl
def remgcl_register_losses() -> Mapping[str, type[Loss]]:
    """Name the loss."""
    return {"hard-negative": HardNegative}
