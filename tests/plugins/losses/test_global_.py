"""The loss of whole images and whole answers."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from remgcl import Features
from remgcl.plugins.losses.global_ import Global


@settings(deadline=None, max_examples=40)
@given(
    shape=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 999),
            "image_sample": st.lists(st.integers(0, 2), max_size=5),
            "grid": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        }
    ),
    setting=st.fixed_dictionaries(
        {"objective": st.sampled_from(["alignment", "infonce", "sigmoid"]), "padding": st.booleans()}
    ),
)
def test_it_is_the_plainest_loop(
    features: Callable[..., Features], plain: SimpleNamespace, shape: dict[str, Any], setting: dict[str, Any]
) -> None:
    made = features(**shape, regions=(), padding=2)
    loss = Global(temperature=0.2, bias=-1.0, **setting)
    images, texts = [], []
    for patches, mask, sample in zip(
        made.patches.tolist(), made.patch_mask.tolist(), shape["image_sample"], strict=True
    ):
        tokens, kept = made.answer[sample].tolist(), made.answer_mask[sample].tolist()
        images.append(plain.mean([patch for patch, shown in zip(patches, mask, strict=True) if shown or loss.padding]))
        texts.append(plain.mean([token for token, one in zip(tokens, kept, strict=True) if one]))
    valid = [bool(image and text) for image, text in zip(images, texts, strict=True)]
    table = [[plain.cosine(image, text) if image and text else 0.0 for text in texts] for image in images]
    same = [[one == other for other in shape["image_sample"]] for one in shape["image_sample"]]
    assert loss(made).item() == pytest.approx(plain.contrast(loss, table, valid, same), rel=1e-4, abs=1e-4)


def test_patches_of_padding_count_only_where_the_recipe_says_so(features: Callable[..., Features]) -> None:
    made = features()
    other = evolve(made, patches=torch.where(made.patch_mask[..., None], made.patches, 7.0))
    assert Global()(other) == Global()(made)
    assert Global(padding=True)(other) != Global(padding=True)(made)


@pytest.mark.parametrize("shown", [0.0, 1.0])
def test_an_image_of_padding_only_has_no_side_unless_padding_counts(
    features: Callable[..., Features], shown: float
) -> None:
    made = features(shown=shown, kept=1.0)
    assert (Global(objective="alignment")(made) == 0) == (shown == 0)
    assert Global(objective="alignment", padding=True)(made) != 0


def test_two_images_of_one_sample_are_not_each_others_negatives(features: Callable[..., Features]) -> None:
    assert Global()(features(image_sample=(1, 1), regions=(), kept=1.0, shown=1.0)).item() == pytest.approx(0, abs=1e-6)


def test_a_filtered_token_does_not_count(features: Callable[..., Features]) -> None:
    made = features()
    other = evolve(made, answer=torch.where(made.answer_mask[..., None], made.answer, 7.0))
    assert Global()(other) == Global()(made)


def test_it_gives_the_published_loss(published: tuple[Features, dict[str, Any]]) -> None:
    made, told = published
    loss = Global(objective="alignment", temperature=told["temperature"], padding=True)
    assert loss(made).item() == pytest.approx(told["global_loss"], abs=1e-5)


def test_its_gradient_reaches_shown_patches_and_kept_tokens_alone(
    features: Callable[..., Features], backward: Callable[..., tuple[Tensor, list[Tensor]]]
) -> None:
    made = features()
    _, (patches, answer, _) = backward(Global(), made)
    assert torch.equal(patches.abs().sum(dim=-1) > 0, made.patch_mask)
    assert torch.equal(answer.abs().sum(dim=-1) > 0, made.answer_mask)
