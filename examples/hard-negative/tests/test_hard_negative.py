"""The loss keeps the contract of its kind, and is that of the paper."""

from math import exp, log

import pytest
import torch
from attrs import evolve
from remgcl import Features, Regions
from remgcl.testing import conformance
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

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


@pytest.mark.parametrize("hardness", [0.0, 0.5, 3.0])
def test_it_is_the_equation_pair_by_pair(hardness: float) -> None:
    given, temperature = features(5), 0.3
    total = 0.0
    for i in range(5):

        def similarity(image: int, answer: int) -> float:
            return cosine_similarity(given.patches[image, 0], given.answer[answer, 0], dim=0).item() / temperature

        others = [j for j in range(5) if j != i]
        for wrong in ([similarity(i, j) for j in others], [similarity(j, i) for j in others]):
            weights = [exp(hardness * logit) for logit in wrong]
            pairs = zip(weights, wrong, strict=True)
            negatives = len(wrong) * sum(weight * exp(logit) for weight, logit in pairs) / sum(weights)
            total -= log(exp(similarity(i, i)) / (exp(similarity(i, i)) + negatives)) / 2
    value = HardNegative(temperature=temperature, hardness=hardness)(given).item()
    torch.testing.assert_close(value, total / 5)


def test_without_hardness_it_is_infonce() -> None:
    given = features(5)
    logits = normalize(given.patches[:, 0], dim=1) @ normalize(given.answer[:, 0], dim=1).T / 0.07
    due = (cross_entropy(logits, torch.arange(5)) + cross_entropy(logits.T, torch.arange(5))) / 2
    torch.testing.assert_close(HardNegative(hardness=0.0)(given), due)


def test_the_same_image_and_the_same_answer_are_not_wrong() -> None:
    given = features(2)
    alike = evolve(given, answer_key=torch.zeros(2, dtype=torch.int64))
    assert HardNegative()(given) > 0
    assert HardNegative()(alike) == 0
