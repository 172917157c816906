"""The contract of losses: weights over a stage, and what a loss need not say."""

import math
from typing import Any, Literal

import pytest
import torch
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from remgcl import Features, Loss, Regions


@frozen(kw_only=True)
class Zero(Loss):
    """Always zero."""

    def __call__(self, features: Features) -> Tensor:
        """Give it."""
        return features.zero()


SCHEDULES = ("constant", "linear", "cosine")
shares = st.floats(0, 1)

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


@given(st.floats(0, 10), st.sampled_from(SCHEDULES), shares, shares)
def test_a_weight_is_never_below_zero_nor_above_its_highest(
    weight: float, schedule: Literal["constant", "linear", "cosine"], warmup_ratio: float, progress: float
) -> None:
    loss = Zero(weight=weight, schedule=schedule, warmup_ratio=warmup_ratio)
    assert -1e-9 * weight <= loss.weight_at(progress) <= weight * (1 + 1e-9)


@given(st.sampled_from(SCHEDULES), st.floats(0.01, 0.99))
def test_a_weight_rises_in_its_warm_up_to_its_highest_and_falls_to_zero_unless_it_is_constant(
    schedule: Literal["constant", "linear", "cosine"], warmup_ratio: float
) -> None:
    loss = Zero(weight=2.0, schedule=schedule, warmup_ratio=warmup_ratio)
    assert loss.weight_at(0) == 0
    assert loss.weight_at(warmup_ratio / 2) == pytest.approx(1)
    assert loss.weight_at(warmup_ratio) == pytest.approx(2)
    assert loss.weight_at(1) == pytest.approx(2 if schedule == "constant" else 0, abs=1e-9)


@given(st.sampled_from(SCHEDULES), st.floats(0, 0.99), shares, shares)
def test_after_its_warm_up_a_weight_never_rises(
    schedule: Literal["constant", "linear", "cosine"], warmup_ratio: float, one: float, other: float
) -> None:
    loss = Zero(schedule=schedule, warmup_ratio=warmup_ratio)
    sooner, later = (warmup_ratio + (1 - warmup_ratio) * share for share in sorted((one, other)))
    assert loss.weight_at(sooner) >= loss.weight_at(later) - 1e-9


@pytest.mark.parametrize(
    ("schedule", "quarter", "half"),
    [("constant", 1.0, 1.0), ("linear", 0.75, 0.5), ("cosine", (1 + math.cos(math.pi / 4)) / 2, 0.5)],
)
def test_each_schedule_has_its_shape(schedule: Any, quarter: float, half: float) -> None:  # noqa: ANN401 - a name
    loss = Zero(schedule=schedule)
    assert [loss.weight_at(share) for share in (0, 0.25, 0.5)] == pytest.approx([1, quarter, half])


@each_schedule
def test_a_warm_up_may_take_the_whole_stage(schedule: Literal["constant", "linear", "cosine"]) -> None:
    loss = Zero(schedule=schedule, warmup_ratio=1.0)
    assert loss.weight_at(0.75) == 0.75


def test_without_a_word_of_its_own_a_loss_counts_batches_and_tells_and_learns_nothing() -> None:
    empty, keys = torch.zeros(0, 4, 0), torch.zeros(0, dtype=torch.int64)
    regions = Regions(
        image=keys, patch_weights=torch.zeros(0, 4), text=torch.zeros(0, 0), text_key=keys, confidence=torch.zeros(0)
    )
    loss = Zero()
    made = Features(
        patches=empty,
        patch_mask=torch.zeros(0, 4, dtype=torch.bool),
        grid=(2, 2),
        image_sample=keys,
        image_key=keys,
        answer=empty,
        answer_mask=torch.zeros(0, 4, dtype=torch.bool),
        answer_key=keys,
        regions=regions,
    )
    count = loss.count(made)
    assert (count.item(), count.shape, count.requires_grad) == (1, torch.Size([]), False)
    assert loss.diagnose(made) == {}
    assert loss.build(8) is loss
    assert loss.weight_at(0.3) == loss.weight == 1


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"warmup_ratio": -0.1}, "'warmup_ratio' must be >= 0: -0.1"),
        ({"warmup_ratio": 1.1}, "'warmup_ratio' must be <= 1: 1.1"),
        ({"weight": math.nan}, "'weight' must be >= 0: nan"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Zero(**setting)
