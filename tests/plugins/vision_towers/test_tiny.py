"""The tower for a CPU: its declared grid holds for any size and strides."""

from collections.abc import Callable
from math import ceil, prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from remgcl import PatchGrid, TowerSpec, VisionTower
from remgcl.plugins.vision_towers import TinyTower

Built = Callable[..., nn.Module]

SMALL = TinyTower(size=(24, 40), channels=(8, 12), strides=((2, 4), (3, 2)))

stages = st.lists(st.tuples(st.integers(1, 5), st.tuples(st.integers(1, 4), st.integers(1, 4))), min_size=1, max_size=3)


def test_the_default_is_declared_as_it_is(conforms: Callable[[VisionTower], TowerSpec]) -> None:
    spec = conforms(TinyTower())
    assert (spec.width, spec.size, spec.class_token) == (128, (96, 96), False)
    assert spec.grid == PatchGrid(rows=6, columns=12, patch=(16, 8))
    assert (spec.mean, spec.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(8, 40), st.integers(8, 40)), stages=stages)
def test_the_grid_holds_for_any_size_and_strides(
    size: tuple[int, int], stages: list[tuple[int, tuple[int, int]]], conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    channels, strides = zip(*stages, strict=True)
    spec = conforms(TinyTower(size=size, channels=channels, strides=strides))
    down, across = (prod(stride[axis] for stride in strides) for axis in (0, 1))
    assert spec.grid == PatchGrid(rows=ceil(size[0] / down), columns=ceil(size[1] / across), patch=(down, across))
    assert (spec.width, spec.size) == (channels[-1], size)


def test_parameters_are_counted_by_hand(conforms: Callable[[VisionTower], TowerSpec]) -> None:
    conforms(SMALL)
    convolutions = 3 * 3 * (3 * 8 + 8 * 12)
    batch_norms = 2 * (8 + 12)
    assert SMALL.parameters() == convolutions + batch_norms + 2 * 12 + 4 * 5 * 12


def test_patches_are_in_rows_from_the_upper_left(corner_of_each_quarter: Callable[[VisionTower], list[int]]) -> None:
    assert corner_of_each_quarter(TinyTower()) == [0, 1, 2, 3]
    assert corner_of_each_quarter(SMALL) == [0, 1, 2, 3]


def test_strides_of_one_keep_every_pixel_at_its_place(
    patch_of_each_patch: Callable[[VisionTower], list[int]], built: Built
) -> None:
    tower = TinyTower(size=(8, 9), channels=(32,), strides=((1, 1),))
    with torch.no_grad():
        convolution = built(tower).stages[0].weight
    assert convolution.shape == (32, 3, 3, 3)
    changed = patch_of_each_patch(tower)
    near = [
        abs(place // 9 - other // 9) <= 1 and abs(place % 9 - other % 9) <= 1 for place, other in enumerate(changed)
    ]
    assert all(near)


def test_features_are_normalised_and_know_their_place(built: Built) -> None:
    module = built(SMALL)
    features = module(torch.randn(2, 3, 24, 40)) - module.place
    torch.testing.assert_close(features.mean(dim=2), torch.zeros(2, 20), rtol=0, atol=1e-5)
    torch.testing.assert_close(features.var(dim=2, unbiased=False), torch.ones(2, 20), rtol=0, atol=0.1)
    assert module.place.shape == (20, 12)
    assert module.place.std() == pytest.approx(0.02, rel=0.2)


def test_the_seed_decides_and_nothing_is_restorable(built: Built) -> None:
    pixels = torch.randn(1, 3, 24, 40)
    first, again, random, other = (
        built(SMALL, seed=seed, pretrained=pretrained)(pixels)
        for seed, pretrained in ((1, True), (1, True), (1, False), (2, True))
    )
    assert torch.equal(first, again)
    assert torch.equal(first, random)
    assert not torch.allclose(first, other)
    assert not SMALL.restorable
    SMALL.verify()


def test_every_parameter_learns() -> None:
    module = SMALL.build()
    module(torch.randn(2, 3, 24, 40)).pow(3).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("channels", "strides", "counts"),
    [((4, 8), ((2, 2),), (2, 1)), ((4,), ((2, 2), (2, 2)), (1, 2)), ((4,), (), (1, 0))],
)
def test_each_stage_needs_channels_and_strides(
    channels: tuple[int, ...], strides: tuple[tuple[int, int], ...], counts: tuple[int, int]
) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^there are {counts[0]} channels and {counts[1]} strides; each stage needs one of each$",
    ):
        TinyTower(channels=channels, strides=strides)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("size", (96, 7), "must be >= 8: 7"),
        ("channels", (), "Length of 'channels' must be >= 1: 0"),
        ("channels", (16, 32, 64, 0), "must be >= 1: 0"),
        ("strides", ((2, 2), (2, 2), (2, 2), (2, 0)), "must be >= 1: 0"),
    ],
)
def test_numbers_out_of_range_are_refused(field: str, value: tuple[object, ...], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        TinyTower(**{field: value})  # type: ignore[arg-type]
