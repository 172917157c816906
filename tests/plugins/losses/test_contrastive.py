"""What the losses of all granularities promise, and the objectives that they share."""

import math
import re
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
from remgcl.plugins.losses.contrastive import ContrastiveLoss, cosine, masked_mean, mean
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow
from remgcl.testing.features import picked
from remgcl.testing.operations import Recorder

Make = Callable[..., Features]
Backward = Callable[[ContrastiveLoss, Features], tuple[Tensor, list[Tensor]]]

KINDS = (Global, SlidingWindow, RefinedLocal)
LOSSES = [kind(objective=objective) for kind in KINDS for objective in ("alignment", "infonce", "sigmoid")]
NOTHING: dict[str, dict[str, Any]] = {
    "no image": {"image_sample": (), "regions": ()},
    "no sample": {"image_sample": (), "answers": (), "regions": ()},
    "every token filtered, no region": {"kept": 0.0, "regions": ()},
    "no supervised token, no region": {"answers": (0, 0, 0), "regions": ()},
    "padding only, no region": {"shown": 0.0, "regions": ()},
    "every token filtered, regions without a patch": {"kept": 0.0, "owned": 0.0},
    "padding only, regions without a patch": {"shown": 0.0, "owned": 0.0},
}


def _named(loss: ContrastiveLoss) -> str:
    return f"{type(loss).__name__}, {loss.objective}"


each_loss = pytest.mark.parametrize("loss", LOSSES, ids=_named)
each_answer_loss = pytest.mark.parametrize("loss", LOSSES[:6], ids=_named)
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)


def _operations(loss: ContrastiveLoss, features: Features, backward: Backward) -> list[str]:
    with Recorder() as recorder:
        backward(loss, features)
    return recorder.operations


def judged(loss: ContrastiveLoss, table: Tensor, weights: Tensor, same: Tensor) -> Tensor:
    """Give the objective of a table of similarities, of which one rank holds all."""
    valid = weights > 0
    logits = table / loss.temperature
    negative = valid[:, None] & valid & ~same
    return mean(loss.contrast(logits, logits.T, slice(0, len(table)), negative, loss.bias), weights)


@each_loss
@pytest.mark.parametrize("nothing", NOTHING.values(), ids=NOTHING)
def test_where_nothing_can_be_compared_it_is_a_zero_with_zero_gradients(
    features: Make, backward: Backward, loss: ContrastiveLoss, nothing: dict[str, Any]
) -> None:
    value, gradients = backward(loss, features(**nothing))
    assert value.shape == ()
    assert value == 0
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_pair_has_no_negatives(features: Make, backward: Backward, kind: type[ContrastiveLoss]) -> None:
    made = features(image_sample=(0,), answers=(5,), regions=(0,), kept=1.0, shown=1.0)
    value, gradients = backward(kind(objective="infonce"), made)
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert all(torch.allclose(gradient, torch.zeros(()), atol=1e-6) for gradient in gradients)
    right = kind(objective="alignment", temperature=1.0)(made).item()
    sigmoid = kind(objective="sigmoid", temperature=1.0, bias=-2.0)(made).item()
    assert right != 0
    assert sigmoid == pytest.approx(math.log1p(math.exp(right + 2)), rel=1e-5)


@each_answer_loss
@pytest.mark.parametrize("without", ["answer_mask", "patch_mask"])
def test_a_pair_that_lacks_a_side_is_as_if_it_were_not_there(
    features: Make, loss: ContrastiveLoss, without: str
) -> None:
    made = features(kept=1.0, shown=1.0)
    mask = getattr(made, without).clone()
    mask[1] = False
    lacking = evolve(made, **{without: mask})
    assert loss(lacking).item() == pytest.approx(loss(picked(made, [0, 2], [0, 2], [])).item(), rel=1e-4)


def test_a_region_without_a_patch_is_as_if_it_were_not_there(features: Make) -> None:
    made = features()
    weights = made.regions.patch_weights.clone()
    weights[1] = 0
    lacking = evolve(made, regions=evolve(made.regions, patch_weights=weights))
    for loss in LOSSES[6:]:
        assert loss(lacking).item() == pytest.approx(
            loss(picked(made, [0, 1, 2], [0, 1, 2], [0, 2, 3])).item(), rel=1e-4
        )


@each_loss
@each_dtype
def test_it_is_a_finite_float32_in_every_precision(
    features: Make, backward: Backward, loss: ContrastiveLoss, dtype: torch.dtype
) -> None:
    made = features(padding=3, dtype=dtype)
    value, gradients = backward(evolve(loss, temperature=0.5), made)
    assert value.dtype == torch.float32
    assert all(gradient.isfinite().all() for gradient in gradients)
    exact = features(padding=3)
    assert value.item() == pytest.approx(evolve(loss, temperature=0.5)(exact).item(), abs=0.05)


@each_loss
def test_autocast_does_not_round_it(features: Make, loss: ContrastiveLoss) -> None:
    made = features()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss(made)
    assert rounded == loss(made)


@each_loss
def test_gradients_flow_to_patches_and_to_text(features: Make, backward: Backward, loss: ContrastiveLoss) -> None:
    _, (patches, answer, text) = backward(loss, features())
    assert patches.any()
    assert (text if isinstance(loss, RefinedLocal) else answer).any()


@pytest.mark.parametrize("loss", [kind(objective="infonce") for kind in KINDS], ids=_named)
@each_dtype
@pytest.mark.parametrize("autocast", [False, True])
def test_equal_texts_are_not_each_others_negatives(
    features: Make, loss: ContrastiveLoss, dtype: torch.dtype, *, autocast: bool
) -> None:
    """Their keys say so, whatever precision would make of their numbers."""
    made = features(image_sample=(0, 1), answers=(9, 9), regions=(0, 1), owned=1.0, shown=1.0, dtype=dtype)
    keys = torch.tensor([-5, -5])
    same = evolve(made, answer_key=keys, regions=evolve(made.regions, text_key=keys))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        assert loss(same).item() == pytest.approx(0, abs=1e-6)
        assert loss(features(image_sample=(0, 1), answers=(9, 9), regions=(0, 1), dtype=dtype)) > 0.01


@each_loss
def test_the_number_of_operations_does_not_depend_on_the_batch(
    features: Make, backward: Backward, loss: ContrastiveLoss
) -> None:
    small = features(regions=(0,))
    large = features(
        image_sample=range(9), answers=[30] * 9, regions=[i % 9 for i in range(60)], grid=(6, 7), padding=50
    )
    assert _operations(loss, small, backward) == _operations(loss, large, backward)


@each_loss
def test_features_near_the_end_of_float16_do_not_overflow(features: Make, loss: ContrastiveLoss) -> None:
    """A sum of them would."""
    large = features(dtype=torch.float16, shown=1.0, owned=1.0, kept=1.0)
    large = evolve(large, patches=large.patches * 1e4, answer=large.answer * 1e4)
    exact = features(shown=1.0, owned=1.0, kept=1.0)
    assert loss(large).item() == pytest.approx(loss(exact).item(), abs=0.1)


@each_loss
@settings(deadline=None, max_examples=10)
@given(patches=st.integers(-20, 20), text=st.integers(-20, 20))
def test_the_length_of_either_side_does_not_matter(
    features: Make, loss: ContrastiveLoss, patches: int, text: int
) -> None:
    made = features()
    scaled = evolve(
        made,
        patches=made.patches * 2.0**patches,
        answer=made.answer * 2.0**text,
        regions=evolve(made.regions, text=made.regions.text * 2.0**text),
    )
    assert loss(scaled).item() == pytest.approx(loss(made).item(), rel=1e-4)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 9999),
    pairs=st.integers(0, 6),
    setting=st.fixed_dictionaries(
        {
            "objective": st.sampled_from(["alignment", "infonce", "sigmoid"]),
            "temperature": st.floats(0.05, 2),
            "bias": st.floats(-10, 10),
        }
    ),
)
def test_an_objective_is_the_plainest_loop(
    plain: SimpleNamespace, seed: int, pairs: int, setting: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(pairs, pairs, generator=generator) * 2 - 1
    valid = torch.rand(pairs, generator=generator) < 0.7
    texts = torch.randint(0, 4, (pairs,), generator=generator)
    same = texts[:, None] == texts[None, :]
    loss = Global(**setting)
    weights = (valid * torch.rand(pairs, generator=generator)).tolist()
    expected = plain.contrast(loss, table.tolist(), weights, same.tolist())
    assert judged(loss, table, torch.tensor(weights), same).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_only_the_objectives_with_negatives_look_at_the_other_pairs() -> None:
    table, valid, same = torch.eye(3), torch.ones(3, dtype=torch.bool), torch.eye(3, dtype=torch.bool)
    apart, close = table - 0.9 * (1 - table), table + 0.9 * (1 - table)
    alignment, infonce, sigmoid = LOSSES[:3]
    assert judged(alignment, apart, valid, same) == judged(alignment, close, valid, same)
    assert judged(infonce, apart, valid, same) < judged(infonce, close, valid, same)
    assert judged(sigmoid, apart, valid, same) < judged(sigmoid, close, valid, same)


def test_an_objective_survives_the_sharpest_temperature() -> None:
    table, valid = torch.tensor([[-1.0, 1.0], [1.0, -1.0]]), torch.ones(2, dtype=torch.bool)
    for loss in LOSSES[:3]:
        assert judged(evolve(loss, temperature=1e-20), table, valid, torch.eye(2, dtype=torch.bool)).isfinite()


def test_a_cosine_is_taken_of_each_row_with_each_other(plain: SimpleNamespace) -> None:
    left, right = torch.randn(2, 3, 5), torch.randn(2, 4, 5)
    right[0, 1] = 0
    table = cosine(left, right)
    assert table.shape == (2, 3, 4)
    expected = [
        [[plain.cosine(row, other) for other in others] for row in rows]
        for rows, others in zip(left.tolist(), right.tolist(), strict=True)
    ]
    assert torch.allclose(table, torch.tensor(expected), atol=1e-6)


def test_a_mean_over_none_is_zero() -> None:
    rows = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]] * 3)
    mask = torch.tensor([[True, True], [False, True], [False, False]])
    assert masked_mean(rows, mask).tolist() == [[2.0, 4.0], [3.0, 6.0], [0.0, 0.0]]


def test_a_weighted_mean_is_zero_where_all_weigh_nothing() -> None:
    values = torch.tensor([1.0, 4.0])
    assert mean(values, torch.tensor([3.0, 1.0])) == 1.75
    assert mean(values, torch.tensor([False, True])) == 4
    assert mean(values, torch.zeros(2)) == mean(values[:0], torch.zeros(0)) == 0


@each_answer_loss
def test_equal_images_are_not_each_others_negatives(features: Make, loss: ContrastiveLoss) -> None:
    loss = evolve(loss, temperature=0.5, bias=0.0)
    made = features(image_sample=(0, 1), answers=(9, 9), shown=1.0, kept=1.0)
    same = evolve(made, image_key=torch.tensor([-5, -5]))
    alone = [loss(picked(made, [at], [at], [])).item() for at in (0, 1)]
    assert loss(same).item() == pytest.approx(sum(alone) / 2, abs=1e-5)
    assert (loss(made).item() == pytest.approx(loss(same).item())) == (loss.objective == "alignment")


@each_loss
def test_it_counts_the_pairs_that_have_both_sides_from_masks_alone(features: Make, loss: ContrastiveLoss) -> None:
    """With the width of an outline, which is 0."""
    made = features(image_sample=(0, 1, 2, 0), kept=1.0)
    answered, owned, shown = made.answer_mask.clone(), made.regions.patch_weights.clone(), made.patch_mask.clone()
    answered[1] = owned[2] = shown[3] = 0
    made = evolve(made, answer_mask=answered, patch_mask=shown, regions=evolve(made.regions, patch_weights=owned))
    outline = evolve(
        made,
        patches=made.patches[..., :0],
        answer=made.answer[..., :0],
        regions=evolve(made.regions, text=made.regions.text[:, :0]),
    )
    assert loss.count(outline) == loss.count(made) == (3 if isinstance(loss, RefinedLocal) else 2)


# -- what is told beside the loss


def _aligned(features: Make, count: int = 5) -> Features:
    """Make as many pairs whose sides are one unit vector each, that of no other pair."""
    made = features(
        image_sample=range(count), answers=[3] * count, regions=range(count), shown=1.0, kept=1.0, owned=1.0
    )
    rows = torch.eye(8)[:count]
    return evolve(
        made,
        patches=rows[:, None].expand_as(made.patches),
        answer=rows[:, None].expand_as(made.answer),
        regions=evolve(made.regions, text=rows),
    )


each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_right_pairs_that_point_one_way_find_each_other(features: Make, kind: type[ContrastiveLoss]) -> None:
    made = _aligned(features)
    told = dict(kind().diagnose(made))
    assert told.pop("pairs") == len(made.regions.text if kind is RefinedLocal else made.patches)
    assert {name: value.item() for name, value in told.items()} == pytest.approx(
        {"retrieval@1": 1, "cosine": 1, "negative_cosine": 0}, abs=1e-6
    )


@each_kind
@each_dtype
def test_collapse_is_told_and_a_tie_is_no_hit(features: Make, kind: type[ContrastiveLoss], dtype: torch.dtype) -> None:
    made = _aligned(features)
    one = torch.eye(8, dtype=dtype)[0]
    collapsed = evolve(
        made,
        patches=one.expand_as(made.patches),
        answer=one.expand_as(made.answer),
        regions=evolve(made.regions, text=one.expand(5, 8), patch_weights=made.regions.patch_weights.to(dtype)),
    )
    told = kind().diagnose(collapsed)
    assert {name: value.item() for name, value in told.items() if name != "pairs"} == pytest.approx(
        {"retrieval@1": 0, "cosine": 1, "negative_cosine": 1}, abs=0.01
    )


@each_kind
def test_sides_that_tell_nothing_of_each_other_are_found_by_chance(features: Make, kind: type[ContrastiveLoss]) -> None:
    found = [
        kind()
        .diagnose(features(seed, image_sample=range(8), answers=[4] * 8, regions=range(8), kept=1.0, owned=0.8))[
            "retrieval@1"
        ]
        .item()
        for seed in range(40)
    ]
    assert sum(found) / 40 == pytest.approx(1 / 8, abs=0.04)


@each_kind
def test_one_side_of_a_swapped_couple_is_half_a_hit(features: Make, kind: type[ContrastiveLoss]) -> None:
    """Every text finds its image, but the first two images look alike to their texts."""
    made = _aligned(features)
    patches = made.patches.clone()
    patches[0] = patches[0] + 2 * patches[1]
    told = kind().diagnose(evolve(made, patches=patches))
    assert told["retrieval@1"].item() == pytest.approx((5 + 4) / 10)


@each_kind
def test_only_negatives_compete(features: Make, kind: type[ContrastiveLoss]) -> None:
    """Of equal keys, and of pairs that lack a side, no number is looked at."""
    made = _aligned(features)
    keys = torch.zeros(5, dtype=torch.int64)
    swapped = evolve(
        made,
        patches=made.patches.roll(1, dims=0),
        answer_key=keys,
        regions=evolve(made.regions, text_key=keys),
    )
    told = kind().diagnose(swapped)
    assert (told["retrieval@1"], told["negative_cosine"]) == (1, 0)
    mask, weights = made.patch_mask.clone(), made.regions.patch_weights.clone()
    mask[1:] = False
    weights[1:] = 0
    alone = kind().diagnose(evolve(made, patch_mask=mask, regions=evolve(made.regions, patch_weights=weights)))
    assert alone["retrieval@1"] == 1
    assert alone["negative_cosine"] == 0
    assert alone["pairs"] == 0, "one pair has nothing to be told from"
    pulled = kind(objective="alignment")
    lone = evolve(made, patch_mask=mask, regions=evolve(made.regions, patch_weights=weights))
    assert pulled.diagnose(lone)["pairs"] == 1, "alignment needs no wrong pairs"


@each_kind
@pytest.mark.parametrize("nothing", NOTHING.values(), ids=NOTHING)
def test_of_nothing_zeros_are_told(features: Make, kind: type[ContrastiveLoss], nothing: dict[str, Any]) -> None:
    assert {name: value.item() for name, value in kind().diagnose(features(**nothing)).items()} == {
        "pairs": 0,
        "retrieval@1": 0,
        "cosine": 0,
        "negative_cosine": 0,
    }


@each_kind
def test_autocast_does_not_round_what_is_told(features: Make, kind: type[ContrastiveLoss]) -> None:
    """Or sides that differ would tie."""
    made = features()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = kind().diagnose(made)
    assert rounded == kind().diagnose(made)


@each_kind
def test_the_host_does_not_wait_for_what_is_told(features: Make, kind: type[ContrastiveLoss]) -> None:
    with Recorder() as recorder:
        kind().diagnose(features())
    assert recorder.waiting == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"weight": -0.1}, "'weight' must be >= 0: -0.1"),
        ({"weight": math.nan}, "'weight' must be >= 0: nan"),
        ({"temperature": 0.0}, "'temperature' must be > 0: 0.0"),
        ({"temperature": -1.0}, "'temperature' must be > 0: -1.0"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused(
    kind: type[ContrastiveLoss], setting: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**setting)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_may_weigh_nothing_and_leaves_its_weight_to_the_total(
    features: Make, kind: type[ContrastiveLoss]
) -> None:
    made = features()
    assert kind(weight=0)(made) == kind(weight=5)(made) > 0
