"""What the three granularities share: the objective on a table of similarities.

A loss brings M pairs of image and text sides and their similarities, the
pairs on the diagonal. The objective makes a scalar of them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen
from attrs.validators import gt

from remgcl import Features, Loss

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class ContrastiveLoss(Loss):
    """A loss that compares image sides with text sides.

    * ``alignment`` pulls right pairs together, without negatives, as published
      by REMGCL: ``-s_ii / tau``.
    * ``infonce`` is symmetric cross entropy against the other pairs of the
      batch (CLIP; Radford et al. 2021, figure 3).
    * ``sigmoid`` judges each pair by itself (SigLIP; Zhai et al. 2023,
      algorithm 1): ``-log sigmoid(z (s / tau + bias))``, z = 1 on right pairs
      and -1 elsewhere.

    Attributes:
        weight: What the loss is multiplied by in the total.
        objective: What is made of the similarities.
        temperature: What similarities are divided by.
        bias: Added to every pair's logit by ``sigmoid``; no other uses it.
    """

    objective: Literal["alignment", "infonce", "sigmoid"] = "infonce"
    temperature: float = field(default=0.07, validator=gt(0))
    bias: float = -10.0

    def __call__(self, features: Features) -> Tensor:
        """Compare both sides in their own precision, which autocast would round."""
        import torch

        with torch.autocast(features.patches.device.type, enabled=False):
            return self.contrast(*self.compare(features)) + features.zero()

    @abstractmethod
    def compare(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Give what `contrast` takes: similarities, valid pairs, pairs of the same text.

        Args:
            features: The features of a batch.
        """

    def contrast(self, similarity: Tensor, valid: Tensor, same: Tensor) -> Tensor:
        """Make a scalar of similarities; 0 if no pair is valid.

        Args:
            similarity: Cosines of image sides (rows) and text sides `[M, M]`.
            valid: False on pairs that lack a side, bool `[M]`.
            same: True where two pairs' texts are the same, bool `[M, M]`; they
                are not each other's negatives.
        """
        logits = similarity.float() / self.temperature
        right = logits.diagonal()
        negative = valid[:, None] & valid[None, :] & ~same
        if self.objective == "alignment":
            each = -right
        elif self.objective == "infonce":
            each = (_cross_entropy(logits, right, negative) + _cross_entropy(logits.T, right, negative.T)) / 2
        else:
            each = _sigmoid(logits + self.bias, negative)
        return (each * valid).sum() / valid.sum().clamp(min=1)


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Give the cosine of each row with each other: `[..., M, D]`, `[..., K, D]` to `[..., M, K]`.

    Args:
        left: Rows.
        right: Rows.
    """
    from torch.nn.functional import normalize

    return normalize(left.float(), dim=-1) @ normalize(right.float(), dim=-1).transpose(-1, -2)


def masked_mean(rows: Tensor, mask: Tensor) -> Tensor:
    """Average the rows where a mask is true: `[M, K, D]`, bool `[M, K]` to `[M, D]`.

    Args:
        rows: Rows.
        mask: Which of them count; a mean over none is zero.
    """
    weights = mask.to(rows.dtype)
    shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1)  # divided first: a sum may overflow float16
    return (shares[:, None] @ rows)[:, 0]


def same_rows(rows: Tensor) -> Tensor:
    """Tell the rows that point one way, as those of equal texts do: `[M, D]` to bool `[M, M]`.

    Args:
        rows: Rows.
    """
    return cosine(rows.detach(), rows.detach()) > 1 - 1e-5


def _cross_entropy(logits: Tensor, right: Tensor, negative: Tensor) -> Tensor:
    """Cross entropy of the right pair against its negatives, a row at a time `[M]`."""
    import torch

    others = logits.masked_fill(~negative, torch.finfo(logits.dtype).min)
    return torch.cat([right[:, None], others], dim=1).logsumexp(dim=1) - right


def _sigmoid(logits: Tensor, negative: Tensor) -> Tensor:
    """Sigmoid loss of each row's right pair and negatives `[M]`."""
    from torch.nn.functional import softplus

    return softplus(-logits.diagonal()) + (softplus(logits) * negative).sum(dim=1)
