"""Random features of any shape: what a loss is checked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from attrs import evolve
from torch import Tensor
from torch.nn.functional import pad

from remgcl.core.features import Features, Regions

WIDTH = 8


def random_features(  # noqa: PLR0913 - each shape varies by itself
    seed: int = 0,
    *,
    image_sample: Sequence[int] = (0, 1, 2),
    answers: Sequence[int] = (6, 3, 5),
    regions: Sequence[int] = (0, 0, 1, 2),
    grid: tuple[int, int] = (3, 4),
    kept: float = 0.7,
    shown: float = 0.7,
    owned: float = 0.4,
    padding: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Features:
    """Make random features, to whose two sides gradients can be taken.

    Args:
        seed: Of the random numbers.
        image_sample: The sample of each image.
        answers: Supervised tokens of each sample.
        regions: The image of each region.
        grid: Rows and columns of patches.
        kept: Share of the tokens that the text filter keeps.
        shown: Share of the patches that show more than padding.
        owned: Share of the patches that belong to a region.
        padding: Columns without a token after the longest answer; they hold large numbers.
        dtype: Of patches, answers and texts.
    """
    generator = torch.Generator().manual_seed(seed)
    count, patches, longest = len(image_sample), prod(grid), max(answers, default=0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def chosen(share: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) < share

    shown_patches = chosen(shown, count, patches)
    answer = normal(len(answers), longest, WIDTH)
    held = torch.arange(longest) < torch.tensor(answers, dtype=torch.int64)[:, None]
    mask = chosen(kept, len(answers), longest) & held
    owner = chosen(owned, len(regions), patches).float()
    made = Features(
        patches=normal(count, patches, WIDTH),
        patch_mask=shown_patches,
        grid=grid,
        image_sample=torch.tensor(image_sample, dtype=torch.int64),
        image_key=torch.arange(count),
        answer=torch.cat([answer, torch.full((len(answers), padding, WIDTH), 100.0)], dim=1),
        answer_mask=torch.cat([mask, torch.zeros(len(answers), padding, dtype=torch.bool)], dim=1),
        answer_key=torch.arange(len(answers)),
        regions=Regions(
            image=torch.tensor(regions, dtype=torch.int64),
            patch_weights=owner / owner.sum(dim=1, keepdim=True).clamp(min=1),
            text=normal(len(regions), WIDTH),
            text_key=torch.arange(len(regions)),
            confidence=torch.rand(len(regions), generator=generator),
        ),
    )
    return leaves(made, dtype)


def leaves(features: Features, dtype: torch.dtype | None = None) -> Features:
    """Copy patches, answers and region texts, so that gradients can be taken to them.

    Args:
        features: Any features.
        dtype: Of the copies; that of the patches without it.
    """
    dtype = dtype or features.patches.dtype
    regions = evolve(
        features.regions,
        patch_weights=features.regions.patch_weights.to(dtype),
        text=features.regions.text.to(dtype).detach().clone().requires_grad_(),
    )
    return evolve(
        features,
        patches=features.patches.to(dtype).detach().clone().requires_grad_(),
        answer=features.answer.to(dtype).detach().clone().requires_grad_(),
        regions=regions,
    )


def sides(features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tensors that gradients are computed for: patches, answers and region texts.

    Args:
        features: Any features.
    """
    return features.patches, features.answer, features.regions.text


def backward(loss: Callable[[Features], Tensor], features: Features) -> tuple[Tensor, list[Tensor | None]]:
    """Return the value of a loss, and its gradients to patches, answers and region texts.

    Args:
        loss: Any loss.
        features: Any features.
    """
    features = leaves(features)
    value = loss(features)
    if value.requires_grad:
        value.backward()  # type: ignore[no-untyped-call]
    return value.detach(), [side.grad for side in sides(features)]


def with_places(features: Features) -> Features:
    """Add the places of each image's regions, as a batch of a training has them.

    Args:
        features: Any features.
    """
    count, image = len(features.regions.image), features.regions.image.tolist()
    owned = [[place for place in range(count) if image[place] == at] for at in range(len(features.patches))]
    longest = max(map(len, owned), default=0)
    rows = [[*places, *[count] * (longest - len(places))] for places in owned]
    of_image = torch.tensor(rows, dtype=torch.int64).view(len(owned), longest)
    return evolve(features, regions=evolve(features.regions, of_image=of_image))


def picked(features: Features, samples: Sequence[int], images: Sequence[int], regions: Sequence[int]) -> Features:
    """Pick samples, images and regions, in the order given.

    Args:
        features: Features whose regions do without `of_image`.
        samples: Places of the samples.
        images: Places of the images.
        regions: Places of the regions.
    """
    held = features.regions
    return evolve(
        features,
        patches=features.patches[images],
        patch_mask=features.patch_mask[images],
        image_sample=torch.tensor([samples.index(int(features.image_sample[i])) for i in images], dtype=torch.int64),
        image_key=features.image_key[images],
        answer=features.answer[samples],
        answer_mask=features.answer_mask[samples],
        answer_key=features.answer_key[samples],
        regions=evolve(
            held,
            image=torch.tensor([images.index(int(held.image[i])) for i in regions], dtype=torch.int64),
            patch_weights=held.patch_weights[regions],
            text=held.text[regions],
            text_key=held.text_key[regions],
            confidence=held.confidence[regions],
        ),
    )


def joined(one: Features, other: Features) -> Features:
    """Make one batch of two.

    Args:
        one: Features whose regions do without `of_image`.
        other: The same, on the same grid.
    """
    longest = max(one.answer.shape[1], other.answer.shape[1])

    def both(name: str, shift: int = 0) -> Tensor:
        return torch.cat([getattr(one, name), getattr(other, name) + shift])

    def answers(name: str) -> Tensor:
        each = (getattr(one, name), getattr(other, name))
        return torch.cat([pad(held, [0, 0] * (held.dim() - 2) + [0, longest - held.shape[1]]) for held in each])

    regions = {
        name: torch.cat([getattr(one.regions, name), getattr(other.regions, name)])
        for name in ("patch_weights", "text", "text_key", "confidence")
    }
    return Features(
        patches=both("patches"),
        patch_mask=torch.cat([one.patch_mask, other.patch_mask]),
        grid=one.grid,
        image_sample=both("image_sample", len(one.answer)),
        image_key=both("image_key"),
        answer=answers("answer"),
        answer_mask=answers("answer_mask"),
        answer_key=both("answer_key"),
        regions=Regions(
            image=torch.cat([one.regions.image, other.regions.image + len(one.patches)]),
            **regions,
        ),
    )
