"""The loss keeps the contract of its kind, and is that of the paper."""

import torch
from attrs import evolve
from remgcl import Features, Regions
from remgcl.testing import conformance
from torch.nn.functional import cosine_similarity

from remgcl_hard_negative import HardNegative

TestHardNegative = conformance(HardNegative())


def features(count: int) -> Features:
    """Make images and answers of random numbers, one patch and one token each."""
    torch.manual_seed(0)
    every = torch.arange(count)
    return Features(
        patches=torch.randn(count, 1, 8),
        patch_mask=torch.ones(count, 1, dtype=torch.bool),
        grid=(1, 1),
        image_sample=every,
        image_key=every,
        answer=torch.randn(count, 1, 8),
        answer_mask=torch.ones(count, 1, dtype=torch.bool),
        answer_key=every,
        regions=Regions(
            image=every[:0],
            patch_weights=torch.zeros(0, 1),
            text=torch.zeros(0, 8),
            text_key=every[:0],
            confidence=torch.zeros(0),
        ),
    )


def test_it_is_the_equation_pair_by_pair() -> None:
    given, margin = features(5), 0.3
    total = 0.0
    for i in range(5):

        def similarity(image: int, answer: int) -> float:
            return cosine_similarity(given.patches[image, 0], given.answer[answer, 0], dim=0).item()

        others = [j for j in range(5) if j != i]
        total += max(0.0, *(margin + similarity(i, j) - similarity(i, i) for j in others))
        total += max(0.0, *(margin + similarity(j, i) - similarity(i, i) for j in others))
    torch.testing.assert_close(HardNegative(margin=margin)(given).item(), total / 5)


def test_the_same_image_and_the_same_answer_are_not_wrong() -> None:
    given = features(2)
    alike = evolve(given, answer_key=torch.zeros(2, dtype=torch.int64))
    assert HardNegative(margin=2.0)(given) > 0
    assert HardNegative(margin=2.0)(alike) == 0
