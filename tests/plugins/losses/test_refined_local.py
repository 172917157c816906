"""The loss of text regions."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from remgcl import Features
from remgcl.plugins.losses.refined_local import RefinedLocal, region_patches


@settings(deadline=None, max_examples=40)
@given(
    shape=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 999),
            "regions": st.lists(st.integers(0, 2), max_size=8),
            "grid": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        }
    ),
    setting=st.fixed_dictionaries(
        {
            "objective": st.sampled_from(["alignment", "infonce", "sigmoid"]),
            "confidence": st.sampled_from(["equal", "certainty", "centred"]),
        }
    ),
    texts=st.integers(1, 8),
)
def test_it_is_the_plainest_loop(
    features: Callable[..., Features],
    plain: SimpleNamespace,
    shape: dict[str, Any],
    setting: dict[str, Any],
    texts: int,
) -> None:
    made = features(**shape)
    keys = [place % texts for place in range(len(shape["regions"]))]
    made = evolve(made, regions=evolve(made.regions, text_key=torch.tensor(keys, dtype=torch.int64)))
    loss = RefinedLocal(temperature=0.2, bias=-1.0, **setting)
    images = []
    for image, weights in zip(shape["regions"], made.regions.patch_weights.tolist(), strict=True):
        patches = made.patches[image].tolist()
        images.append(plain.mean([patch for patch, weight in zip(patches, weights, strict=True) if weight]))
    table = [[plain.cosine(image, text) if image else 0.0 for text in made.regions.text.tolist()] for image in images]
    same = [[one == other for other in keys] for one in keys]
    certainty = made.regions.confidence.tolist()
    owning = [sure for sure, image in zip(certainty, images, strict=True) if image]
    centre = sum(owning) / max(len(owning), 1)
    weigh = {"equal": lambda _: 1.0, "certainty": lambda sure: sure, "centred": lambda sure: sure + 1 - centre}
    weights = [weigh[loss.confidence](sure) if image else 0.0 for sure, image in zip(certainty, images, strict=True)]
    expected = plain.contrast(loss, table, weights, same)
    assert loss(made).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_region_is_averaged_by_its_weights_in_its_own_image(features: Callable[..., Features]) -> None:
    made = features(image_sample=(0, 1), regions=(1, 0), grid=(1, 3))
    weights = torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.25, 0.75]])
    made = evolve(made, regions=evolve(made.regions, patch_weights=weights))
    first, second = made.patches
    assert torch.allclose(region_patches(made)[0], (second[0] + second[2]) / 2)
    assert torch.allclose(region_patches(made)[1], first[1] / 4 + 3 * first[2] / 4)


def test_regions_of_the_same_text_are_not_each_others_negatives(features: Callable[..., Features]) -> None:
    made = features(owned=1.0)
    same = evolve(made, regions=evolve(made.regions, text_key=torch.full((4,), -7)))
    assert RefinedLocal()(made) > 0.1
    assert RefinedLocal()(same).item() == pytest.approx(0, abs=1e-6)


def test_padding_answers_and_confidence_change_nothing(features: Callable[..., Features]) -> None:
    """A region's patches hold a text, so they show something; what matters of it are its patches and its text."""
    made = features()
    other = evolve(made, patch_mask=~made.patch_mask, answer_mask=~made.answer_mask)
    other = evolve(other, regions=evolve(made.regions, confidence=torch.zeros(4)))
    assert RefinedLocal()(other) == RefinedLocal()(made)


def test_its_gradient_reaches_the_patches_of_regions_and_their_texts_alone(
    features: Callable[..., Features], backward: Callable[..., tuple[Tensor, list[Tensor]]]
) -> None:
    made = features()
    _, (patches, answer, text) = backward(RefinedLocal(), made)
    owned = torch.stack([made.regions.patch_weights[made.regions.image == i].sum(dim=0) > 0 for i in range(3)])
    assert torch.equal(patches.abs().sum(dim=-1) > 0, owned)
    assert (text.abs().sum(dim=-1) > 0).all()
    assert not answer.any()


def test_regions_are_weighed_by_the_certainty_of_their_texts(features: Callable[..., Features]) -> None:
    made = features(regions=(0, 1, 1, 2))
    shares = made.regions.patch_weights.clone()
    shares[2] = 0
    regions = evolve(made.regions, patch_weights=shares, confidence=torch.tensor([0.9, 0.5, 0.1, 0.4]))
    made = evolve(made, regions=regions)
    weights = {way: RefinedLocal(confidence=way).weights(made).tolist() for way in ("equal", "certainty", "centred")}
    assert weights["equal"] == [1, 1, 0, 1]
    assert weights["certainty"] == pytest.approx([0.9, 0.5, 0, 0.4])
    assert weights["centred"] == pytest.approx([1.3, 0.9, 0, 0.8])  # c + 1 - 0.6, without the region that has no patch
    for way, each in weights.items():
        assert RefinedLocal(confidence=way).count(made).item() == pytest.approx(sum(each))


@pytest.mark.parametrize("way", ["equal", "certainty", "centred"])
def test_equal_certainties_change_nothing_and_none_at_all_is_no_nan(
    features: Callable[..., Features], way: Literal["equal", "certainty", "centred"]
) -> None:
    made = features()
    even = evolve(made, regions=evolve(made.regions, confidence=torch.full((4,), 0.25)))
    none = evolve(made, regions=evolve(made.regions, confidence=torch.zeros(4)))
    assert RefinedLocal(confidence=way)(even).item() == pytest.approx(RefinedLocal()(made).item(), rel=1e-5)
    expected = 0 if way == "certainty" else RefinedLocal()(made).item()
    assert RefinedLocal(confidence=way)(none).item() == pytest.approx(expected, rel=1e-5)


def test_it_gives_the_published_loss(published: tuple[Features, dict[str, Any]]) -> None:
    """Also where the published grid is not the tower's: the weights alone say what a region owns."""
    made, told = published
    loss = RefinedLocal(objective="alignment", temperature=told["temperature"])
    assert loss(made).item() == pytest.approx(told["local_loss"], abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_knowing_the_regions_of_each_image_changes_no_value(
    features: Callable[..., Features], backward: Callable[..., Any], counts: list[int], seed: int
) -> None:
    images = [image for image, count in enumerate(counts) for _ in range(count)]
    made = features(seed, image_sample=range(len(counts)), answers=[3] * len(counts), regions=images)
    rows = torch.full((len(counts), max(counts)), len(images))
    for image, count in enumerate(counts):
        rows[image, :count] = torch.arange(count) + sum(counts[:image])
    known = evolve(made, regions=evolve(made.regions, of_image=rows))
    plain, quick = (backward(RefinedLocal(), each) for each in (made, known))
    assert quick[0].item() == pytest.approx(plain[0].item(), abs=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(plain[1], quick[1], strict=True))
