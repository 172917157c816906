"""The loss of windows of patches and windows of tokens."""

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
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.sliding_window import SlidingWindow

Rows = list[list[float]]


@settings(deadline=None, max_examples=60)
@given(
    shape=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 999),
            "image_sample": st.lists(st.integers(0, 2), max_size=4),
            "answers": st.lists(st.integers(0, 7), min_size=3, max_size=3),
            "grid": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        }
    ),
    setting=st.fixed_dictionaries(
        {
            "objective": st.sampled_from(["alignment", "infonce", "sigmoid"]),
            "patches": st.integers(1, 5),
            "patch_stride": st.integers(1, 3),
            "tokens": st.integers(1, 4),
            "token_stride": st.integers(1, 5),
            "content": st.sampled_from([0.0, 0.25, 0.5, 2 / 3, 1.0]),
            "sharpness": st.sampled_from([1e-3, 0.05, 1.0]),
        }
    ),
)
def test_it_is_the_plainest_loop(
    features: Callable[..., Features], plain: SimpleNamespace, shape: dict[str, Any], setting: dict[str, Any]
) -> None:
    made = features(**shape, regions=(), padding=1)
    loss = SlidingWindow(temperature=0.2, bias=-1.0, **setting)
    images = [_image_windows(loss, plain, made, image) for image in range(len(made.patches))]
    phrases = [_text_windows(loss, plain, made, sample) for sample in range(len(made.answer))]
    owners = shape["image_sample"]
    valid = [bool(made.patch_mask[i].any()) and bool(phrases[owner]) for i, owner in enumerate(owners)]
    table = [
        [
            _score(loss, plain, windows, phrases[owner]) if valid[i] and valid[j] else 0.0
            for j, owner in enumerate(owners)
        ]
        for i, windows in enumerate(images)
    ]
    same = [[one == other for other in owners] for one in owners]
    assert loss(made).item() == pytest.approx(plain.contrast(loss, table, valid, same), rel=1e-3, abs=1e-3)


def _image_windows(loss: SlidingWindow, plain: SimpleNamespace, made: Features, image: int) -> Rows:
    rows, columns = made.grid
    height, width = min(loss.patches, rows), min(loss.patches, columns)
    windows = []
    for top in range(0, rows - height + 1, loss.patch_stride):
        for left in range(0, columns - width + 1, loss.patch_stride):
            places = [r * columns + c for r in range(top, top + height) for c in range(left, left + width)]
            shown = [made.patches[image, place].tolist() for place in places if made.patch_mask[image, place]]
            windows.append((len(shown) / len(places), plain.mean(shown) if shown else [0.0] * 8))
    fullest = max(share for share, _ in windows)
    return [window for share, window in windows if share >= min(fullest, loss.content) - 1e-6]


def _text_windows(loss: SlidingWindow, plain: SimpleNamespace, made: Features, sample: int) -> Rows:
    tokens = made.answer[sample][made.answer_mask[sample]].tolist()
    starts = range(0, max(len(tokens) - loss.tokens, 0) + 1, loss.token_stride)
    return [plain.mean(tokens[start : start + loss.tokens]) for start in starts if tokens]


def _score(loss: SlidingWindow, plain: SimpleNamespace, windows: Rows, phrases: Rows) -> float:
    best = []
    for phrase in phrases:
        cosines = [plain.cosine(window, phrase) for window in windows]
        shares = [math.exp((each - max(cosines)) / loss.sharpness) for each in cosines]
        best.append(sum(share * each for share, each in zip(shares, cosines, strict=True)) / sum(shares))
    return sum(best) / len(best)


def _one(features: Callable[..., Features], columns: int, tokens: int, **shape: object) -> Features:
    """Make one image of one row of patches, and one answer all of whose tokens are kept."""
    return features(image_sample=(0,), answers=(tokens,), regions=(), grid=(1, columns), kept=1.0, shown=1.0, **shape)


def _reached(gradient: Tensor) -> list[int]:
    """Give the places of the first row that a gradient reaches."""
    return gradient[0].abs().sum(dim=-1).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("shown", "content", "reached"),
    [
        ([0, 1, 2], 0.5, [0, 1, 2]),
        ([0, 1, 2], 0.51, [0, 1]),
        ([0, 1, 2], 1.0, [0, 1]),
        ([2], 1.0, [2]),
        ([2, 4], 1.0, [2, 4]),
        ([], 1.0, []),
    ],
    ids=["just enough", "not enough", "one whole", "the fullest", "two as full", "padding only"],
)
def test_windows_mostly_on_padding_are_dropped_but_for_the_fullest(
    features: Callable[..., Features],
    backward: Callable[..., tuple[Tensor, list[Tensor]]],
    shown: list[int],
    content: float,
    reached: list[int],
) -> None:
    """The windows are the patches 0 and 1, 2 and 3, 4 and 5."""
    mask = torch.zeros(1, 6, dtype=torch.bool)
    mask[0, shown] = True
    made = evolve(_one(features, columns=6, tokens=3), patch_mask=mask)
    loss = SlidingWindow(objective="alignment", patches=2, patch_stride=2, content=content, sharpness=1.0)
    _, (patches, _, _) = backward(loss, made)
    assert _reached(patches) == reached


@pytest.mark.parametrize(
    ("answer", "reached"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (6, [0, 1, 2, 3, 4]), (7, [0, 1, 2, 3, 4, 5, 6])],
)
def test_text_windows_are_whole_but_for_the_one_of_a_short_answer(
    features: Callable[..., Features],
    backward: Callable[..., tuple[Tensor, list[Tensor]]],
    answer: int,
    reached: list[int],
) -> None:
    """Windows of three tokens begin at every second one."""
    made = _one(features, columns=2, tokens=answer, padding=4)
    _, (_, tokens, _) = backward(SlidingWindow(objective="alignment", tokens=3, token_stride=2), made)
    assert _reached(tokens) == reached


def test_text_windows_skip_filtered_tokens(features: Callable[..., Features]) -> None:
    """Kept tokens are neighbours, whatever stood between them."""
    made = _one(features, columns=4, tokens=8)
    kept = torch.tensor([[True, False, True, True, False, False, True, True]])
    close = evolve(made, answer=made.answer[kept][None], answer_mask=kept[kept][None])
    loss = SlidingWindow(objective="alignment", tokens=2, token_stride=1)
    assert loss(evolve(made, answer_mask=kept)).item() == pytest.approx(loss(close).item())


def test_a_short_answer_is_compared_by_its_mean(features: Callable[..., Features], plain: SimpleNamespace) -> None:
    made = _one(features, columns=1, tokens=2)
    loss = SlidingWindow(objective="alignment", temperature=1.0, tokens=5)
    expected = plain.cosine(made.patches[0, 0].tolist(), plain.mean(made.answer[0].tolist()))
    assert loss(made).item() == pytest.approx(-expected)


def test_a_window_larger_than_the_grid_is_the_whole_image(features: Callable[..., Features]) -> None:
    made = features()
    whole = SlidingWindow(patches=99, tokens=99, patch_stride=5)
    assert whole(made).item() == pytest.approx(Global()(made).item(), rel=1e-4)


def test_a_sharp_soft_maximum_is_the_maximum(features: Callable[..., Features], plain: SimpleNamespace) -> None:
    made = _one(features, columns=9, tokens=1)
    loss = SlidingWindow(objective="alignment", temperature=1.0, patches=1, sharpness=1e-6)
    phrase = made.answer[0, 0].tolist()
    assert loss(made).item() == pytest.approx(-max(plain.cosine(patch, phrase) for patch in made.patches[0].tolist()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_large_window_that_misses_one_place_is_not_whole_in_any_precision(
    features: Callable[..., Features], backward: Callable[..., tuple[Tensor, list[Tensor]]], dtype: torch.dtype
) -> None:
    edge = 4096
    made = _one(features, columns=3 * edge, tokens=3 * edge - 1, padding=1, dtype=dtype)
    made = evolve(made, patch_mask=made.answer_mask)
    loss = SlidingWindow(
        objective="alignment", patches=edge, patch_stride=edge, tokens=edge, token_stride=edge, content=1.0
    )
    _, gradients = backward(loss, made)
    for gradient in gradients[:2]:
        assert [bool(window.any()) for window in gradient[0].split(edge)] == [True, True, False]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"patches": 0}, "'patches' must be >= 1: 0"),
        ({"patch_stride": 0}, "'patch_stride' must be >= 1: 0"),
        ({"tokens": 0}, "'tokens' must be >= 1: 0"),
        ({"token_stride": -1}, "'token_stride' must be >= 1: -1"),
        ({"content": -0.1}, "'content' must be >= 0: -0.1"),
        ({"content": 1.1}, "'content' must be <= 1: 1.1"),
        ({"sharpness": 0.0}, "'sharpness' must be > 0: 0.0"),
        ({"sharpness": math.nan}, "'sharpness' must be > 0: nan"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        SlidingWindow(**setting)
