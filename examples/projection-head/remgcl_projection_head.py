"""A loss for remgcl that learns: a head that both sides pass, and a temperature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import ge, gt
from remgcl import Features, Loss, gather, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

REMGCL_API = 1

HOTTEST = 100.0
"""Highest scale of the similarities (CLIP; Radford et al. 2021, section 2.5)."""


@frozen(kw_only=True)
class ProjectionHead(Loss):
    """Contrast images and answers behind a learned head, at a learned temperature.

    The head is that of SimCLR, two linear maps with ReLU between them (Chen et
    al. 2020, section 2.1); loss and temperature are those of CLIP (Radford et
    al. 2021, figure 3), with the images and answers of all ranks as negatives.

    Attributes:
        width: Width that the head ends in.
        temperature: Initial divisor of the similarities.
    """

    width: int = field(default=32, validator=ge(1))
    temperature: float = field(default=0.07, validator=gt(0))

    def build(self, width: int) -> nn.Module:
        """Make what learns: its parameters are trained with the model, saved and resumed."""
        import torch
        from torch import nn

        loss = self

        class Learned(nn.Module):
            """The head, and the logarithm of the scale; a vector, as DeepSpeed knows no scalars."""

            def __init__(self) -> None:
                super().__init__()
                self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, loss.width))
                self.log_scale = nn.Parameter(torch.tensor([-log(loss.temperature)]))

            def forward(self, features: Features) -> Tensor:
                scale = self.log_scale[0].exp().clamp(max=HOTTEST)
                return loss.score(features, lambda means: self.head(means.to(self.log_scale.dtype)), scale)

            def diagnose(self, features: Features) -> Mapping[str, Tensor]:
                del features
                return {"temperature": (-self.log_scale[0]).exp()}

        return Learned()

    def __call__(self, features: Features) -> Tensor:
        """Compute the loss without a head; `build` makes what a training calls."""
        return self.score(features, lambda means: means, 1 / self.temperature)

    def score(self, features: Features, head: Callable[[Tensor], Tensor], scale: Tensor | float) -> Tensor:
        """Compute symmetric cross entropy `[]` of images and answers.

        Args:
            features: The features of a batch.
            head: What both sides pass, `[N, D]` to `[N, width]`.
            scale: What similarities are multiplied by.
        """
        from torch.nn.functional import normalize

        valid, of = _valid(features), features.image_sample
        images = normalize(head(_mean(features.patches, features.patch_mask)).float(), dim=1)  # [N, width]
        texts = normalize(head(_mean(features.answer, features.answer_mask)).float(), dim=1)[of]  # [N, width]
        mine = (features.image_key, features.answer_key[of])
        (others, phrases, there, *keys), own = gather(images, texts, valid, *mine)
        same = (mine[0][:, None] == keys[0]) | (mine[1][:, None] == keys[1])  # [N, all]
        negative = there & ~same
        each = _surprise(scale * images @ phrases.T, negative, own) + _surprise(scale * texts @ others.T, negative, own)
        return (each * valid).sum() / (2 * valid.sum().clamp(min=1)) + features.zero()

    def count(self, features: Features) -> Tensor:
        """Count the pairs, as the loss is a mean over them."""
        return _valid(features).sum()


def _surprise(logits: Tensor, negative: Tensor, own: slice) -> Tensor:
    """Cross entropy of the right pair against the negatives, a row at a time `[N]`."""
    import torch

    right = logits[:, own].diagonal()
    others = logits.masked_fill(~negative, torch.finfo(logits.dtype).min)
    return torch.cat([right[:, None], others], dim=1).logsumexp(dim=1) - right


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
    return {"projection-head": ProjectionHead}
