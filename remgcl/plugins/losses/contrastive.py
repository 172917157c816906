"""What the three granularities share: the objective on a table of similarities.

A loss brings M pairs of an image side and a text side and says how similar any
two sides are. The objective makes a scalar of that.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen
from attrs.validators import gt

from remgcl import Features, Loss, gather

if TYPE_CHECKING:
    from torch import Tensor


@frozen(eq=False, kw_only=True)
class Pairs:
    """M pairs of an image side and a text side, right ones at the same place.

    Attributes:
        images: Tensors of the image sides, each `[M, ...]`.
        texts: Tensors of the text sides, each `[M, ...]`.
        weight: What each pair counts; 0 if it lacks a side `[M]`.
        keys: Numbers `[M]` each; pairs that agree in one are the same thing,
            and not each other's negatives.
    """

    images: tuple[Tensor, ...]
    texts: tuple[Tensor, ...]
    weight: Tensor
    keys: tuple[Tensor, ...]

    def of_all_ranks(self) -> tuple[Pairs, slice]:
        """Gather the pairs of all ranks; also return the position of this rank's own."""
        joined, own = gather(*self.images, *self.texts, self.weight, *self.keys)
        if joined[0] is self.images[0]:
            return self, own
        images, rest = joined[: len(self.images)], joined[len(self.images) :]
        texts, (weight, *keys) = rest[: len(self.texts)], rest[len(self.texts) :]
        return Pairs(images=tuple(images), texts=tuple(texts), weight=weight, keys=tuple(keys)), own


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
        weight: Factor of the loss in the total, at its maximum.
        schedule: Course of the weight over the stage, after its warm-up.
        warmup_ratio: Share of the stage in which the weight rises from 0.
        text_layer: Layer of the language model whose hidden states are the text side; 0 is its input
            embeddings, -1 its last layer.
        objective: The objective over the similarities.
        temperature: Divisor of the similarities.
        bias: Added to every pair's logit by ``sigmoid``; other objectives ignore it.
        learned: Whether temperature and bias are learned, with these values as the start.
        across_ranks: Whether the pairs of other ranks are negatives too.
    """

    objective: Literal["alignment", "infonce", "sigmoid"] = "infonce"
    temperature: float = field(default=0.07, validator=gt(0))
    bias: float = -10.0
    learned: bool = False
    across_ranks: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse a temperature that would be learned to be 0."""
        if self.learned and self.objective == "alignment":
            raise ValueError("learned: alignment has no negatives, so its temperature would fall without limit")

    @abstractmethod
    def weights(self, features: Features) -> Tensor:
        """Return the weight of each pair `[M]`, from masks alone; 0 if it lacks a side.

        Args:
            features: The features of a batch.
        """

    @abstractmethod
    def pairs(self, features: Features) -> Pairs:
        """Make the pairs of a batch.

        Args:
            features: The features of a batch.
        """

    def similarity(self, images: tuple[Tensor, ...], texts: tuple[Tensor, ...]) -> Tensor:
        """Compare image sides with text sides `[M, K]`; by default the cosine of their vectors.

        Args:
            images: Tensors of M image sides.
            texts: Tensors of K text sides.
        """
        return cosine(images[0], texts[0])

    def __call__(self, features: Features) -> Tensor:
        """Compare both sides in their own precision, which autocast would round."""
        return self.score(features, self.temperature, self.bias)

    def build(self, width: int) -> Callable[[Features], Tensor]:
        """Return a module with a learned temperature and bias, or the loss itself."""
        if not self.learned:
            return super().build(width)
        from remgcl.plugins.losses.learned import Learned

        return Learned(self)

    def count(self, features: Features) -> Tensor:
        """Add up what the pairs count."""
        return self.weights(features).sum()

    def score(self, features: Features, temperature: Tensor | float, bias: Tensor | float) -> Tensor:
        """Compute the loss `[]` at a temperature and a bias.

        Args:
            features: The features of a batch.
            temperature: Divisor of the similarities.
            bias: Added to every pair's logit by ``sigmoid``.
        """
        import torch

        with torch.autocast(features.patches.device.type, enabled=False):
            pairs = self.pairs(features)
            alone = self.objective == "alignment" or not self.across_ranks
            others, own = (pairs, slice(0, len(pairs.weight))) if alone else pairs.of_all_ranks()
            rows = self.similarity(pairs.images, others.texts).float() / temperature  # [M, all]
            columns = rows.T  # [M, all], own texts in rows
            if self.objective == "infonce" and others is not pairs:
                columns = self.similarity(others.images, pairs.texts).float().T / temperature
            negative = (pairs.weight > 0)[:, None] & (others.weight > 0) & ~_same(pairs, others)
            each = self.contrast(rows, columns, own, negative, bias)
            return mean(each, pairs.weight) + features.zero()

    def contrast(self, rows: Tensor, columns: Tensor, own: slice, negative: Tensor, bias: Tensor | float) -> Tensor:
        """Judge each pair `[M]`.

        Args:
            rows: Similarities over temperature of own image sides with the text
                sides of all ranks `[M, all]`.
            columns: The same of own text sides with the image sides of all ranks.
            own: The place of own sides among all.
            negative: True on wrong pairs, bool `[M, all]`.
            bias: Added to every logit by ``sigmoid``.
        """
        from torch.nn.functional import softplus

        if self.objective == "infonce":
            return (_cross_entropy(rows, own, negative) + _cross_entropy(columns, own, negative)) / 2
        right = rows[:, own].diagonal()
        if self.objective == "alignment":
            return -right
        return softplus(-right - bias) + (softplus(rows + bias) * negative).sum(dim=1)

    def diagnose(self, features: Features) -> Mapping[str, Tensor]:
        """Measure whether positive pairs find each other, and whether negative pairs collapse.

        ``pairs`` is how many pairs this rank's batch holds; with ``infonce``,
        those that have a negative pair. ``retrieval@1`` is the
        share of sides whose nearest side of the other kind, among this rank's
        pairs, is the right one; ``cosine`` and ``negative_cosine`` are the mean
        similarities of right and wrong pairs: both high is collapse.
        """
        import torch
        from torch.nn.functional import pad

        with torch.autocast(features.patches.device.type, enabled=False):
            pairs = self.pairs(features)
            similarity = self.similarity(pairs.images, pairs.texts).float()
        right, valid = similarity.diagonal(), pairs.weight > 0
        negative = valid[:, None] & valid & ~_same(pairs, pairs)
        others = pad(similarity.masked_fill(~negative, float("-inf")), (0, 1, 0, 1), value=float("-inf"))
        found = ((right > others.amax(dim=1)[:-1]).float() + (right > others.amax(dim=0)[:-1]).float()) / 2
        contrasts = self.objective == "infonce" and not (self.across_ranks and _several_ranks())
        seen = valid & negative.any(dim=1) if contrasts else valid
        return {
            "pairs": seen.sum().float(),
            "retrieval@1": mean(found, valid),
            "cosine": mean(right, valid),
            "negative_cosine": mean(similarity, negative),
        }


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Return the cosine of each row with each other: `[..., M, D]`, `[..., K, D]` to `[..., M, K]`.

    Args:
        left: Rows.
        right: Rows.
    """
    from torch.nn.functional import normalize

    return normalize(left.float(), dim=-1) @ normalize(right.float(), dim=-1).transpose(-1, -2)


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average values by their weights, `[...]` and `[...]` to `[]`; 0 where all weigh nothing.

    Args:
        values: Finite numbers.
        weights: What each counts; not negative.
    """
    return (values * weights).sum() / weights.float().sum().clamp(min=1e-6)


def _several_ranks() -> bool:
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def masked_mean(rows: Tensor, mask: Tensor) -> Tensor:
    """Average the rows where a mask is true: `[M, K, D]`, bool `[M, K]` to `[M, D]`.

    Args:
        rows: Rows.
        mask: Which of them count; a mean over none is zero.
    """
    weights = mask.to(rows.dtype)
    shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1)  # divided first: a sum may overflow float16
    return (shares[:, None] @ rows)[:, 0]


def _same(pairs: Pairs, others: Pairs) -> Tensor:
    """Mark the pairs that agree in a key: bool `[M, all]`."""
    agree = (mine[:, None] == theirs for mine, theirs in zip(pairs.keys, others.keys, strict=True))
    return reduce(or_, agree)


def _cross_entropy(logits: Tensor, own: slice, negative: Tensor) -> Tensor:
    """Cross entropy of the right pair against its negatives, a row at a time `[M]`."""
    import torch

    places = torch.arange(own.start, own.stop, device=logits.device)
    wrong = ~negative
    wrong[:, own].fill_diagonal_(False)  # noqa: FBT003 - a value
    left = logits.masked_fill(wrong, torch.finfo(logits.dtype).min)
    return torch.nn.functional.cross_entropy(left, places, reduction="none")
