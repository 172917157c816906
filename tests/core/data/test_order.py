"""The order of samples: each once, reproducible, of one kind and similar length where asked."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from remgcl.core.data.order import POOL, grouped, seeded, shuffled

lengths_of = st.lists(st.integers(-300, 300), max_size=120)
seeds = st.integers(0, 2**32)

Order = Callable[[int, int], list[int]]

MIXED = [int(length) for length in np.random.default_rng(0).integers(1, 2000, 2000)]
MIXED[::3] = [-length for length in MIXED[::3]]
ORDERS: dict[str, Order] = {
    "shuffled": lambda seed, epoch: shuffled(len(MIXED), seed, epoch),
    "grouped": lambda seed, epoch: grouped(MIXED, 8, seed, epoch),
}


def full_batches(order: Sequence[int], lengths: Sequence[int], size: int) -> list[list[int]]:
    """Cut an order into the batches that must be of one kind: as many as each kind fills."""
    images = sum(length > 0 for length in lengths)
    count = images // size + (len(lengths) - images) // size
    return [list(order[i * size : (i + 1) * size]) for i in range(count)]


@given(st.integers(0, 300), seeds, st.integers(0, 9))
def test_a_shuffled_order_has_every_place_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(shuffled(count, seed, epoch)) == list(range(count))


@given(lengths_of, st.integers(1, 9), seeds, st.integers(0, 9))
def test_a_grouped_order_has_every_place_once(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    assert sorted(grouped(lengths, size, seed, epoch)) == list(range(len(lengths)))


@given(lengths_of, st.integers(1, 9), seeds)
def test_batches_hold_one_kind_and_what_fills_none_comes_last(lengths: list[int], size: int, seed: int) -> None:
    order = grouped(lengths, size, seed, 0)
    batches = full_batches(order, lengths, size)

    assert all(len({lengths[place] > 0 for place in batch}) == 1 for batch in batches)
    rest = [lengths[place] > 0 for place in order[len(batches) * size :]]
    assert rest.count(True) < size
    assert rest.count(False) < size


@given(st.lists(st.integers(1, 300), max_size=120), st.integers(1, 9), seeds)
def test_within_a_pool_no_batch_reaches_into_the_lengths_of_another(lengths: list[int], size: int, seed: int) -> None:
    """So few samples are one pool: its batches are slices of the sorted lengths."""
    lengths = lengths[: POOL * size]

    ranges = [
        (min(lengths[place] for place in batch), max(lengths[place] for place in batch))
        for batch in full_batches(grouped(lengths, size, seed, 0), lengths, size)
    ]

    assert all(one[0] >= other[1] or other[0] >= one[1] for one, other in combinations(ranges, 2))


def test_samples_without_an_image_are_sorted_by_their_length_too() -> None:
    lengths = [-(1 + place * 7 % 64) for place in range(64)]

    batches = full_batches(grouped(lengths, 8, 0, 0), lengths, 8)

    assert sorted(sorted(-lengths[place] for place in batch) for batch in batches) == [
        list(range(1 + start, 9 + start)) for start in range(0, 64, 8)
    ]


def test_pools_are_drawn_at_random_before_they_are_sorted() -> None:
    """With more samples than a pool holds, the longest do not all meet."""
    size, count = 4, 3 * POOL * 4
    lengths = list(range(1, count + 1))

    batches = full_batches(grouped(lengths, size, 0, 0), lengths, size)

    spread = [max(batch) - min(batch) for batch in batches]
    assert max(spread) > size  # neighbours in length are in different pools
    assert np.mean(spread) < 5 * size  # and yet a batch spans few of 600 lengths


def test_grouping_leaves_a_tenth_of_the_padding_of_a_shuffled_order() -> None:
    def padding(order: Sequence[int]) -> int:
        batches = [[abs(MIXED[place]) for place in order[i : i + 8]] for i in range(0, len(order), 8)]
        return sum(len(batch) * max(batch) - sum(batch) for batch in batches)

    assert padding(ORDERS["grouped"](0, 0)) < 0.1 * padding(ORDERS["shuffled"](0, 0))


def test_batches_come_in_no_order_of_length_or_kind() -> None:
    order = grouped(MIXED, 8, 0, 0)
    longest = [max(abs(MIXED[place]) for place in batch) for batch in full_batches(order, MIXED, 8)]
    kinds = [MIXED[batch[0]] > 0 for batch in full_batches(order, MIXED, 8)]

    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.2
    assert abs(np.corrcoef(kinds, range(len(kinds)))[0, 1]) < 0.2


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_order_is_the_same_for_the_same_seed_and_epoch_and_no_other(order: Order) -> None:
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert order(1, 2) != order(2, 1)  # seed and epoch are not just added up


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_order_consists_of_plain_integers(order: Order) -> None:
    assert {type(place) for place in order(0, 0)} == {int}


def test_no_samples_have_an_empty_order() -> None:
    assert shuffled(0, 0, 0) == []
    assert grouped([], 4, 0, 0) == []


# -- what is random in a sample


def drawn(seed: int, epoch: int, index: int) -> tuple[float, ...]:
    """Draw from every generator that a dataset may use."""
    with seeded(seed, epoch, index):
        return random.random(), random.gauss(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


@given(seeds, st.integers(0, 999), st.integers(0, 2**40))
def test_what_is_drawn_depends_on_seed_epoch_and_index_alone(seed: int, epoch: int, index: int) -> None:
    first = drawn(seed, epoch, index)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    assert drawn(seed, epoch, index) == first


def test_every_seed_epoch_and_index_draws_other_numbers() -> None:
    """They are not just added up."""
    places = [(seed, epoch, index) for seed in range(4) for epoch in range(4) for index in range(4)]
    for numbers in zip(*(drawn(*place) for place in places), strict=True):
        assert len(set(numbers)) == len(places)


def draw_three() -> list[float]:
    """Draw from the generators as a training does."""
    return [random.random(), random.gauss(), float(np.random.randn()), float(torch.rand(()))]  # noqa: NPY002


@pytest.mark.parametrize("fails", [False, True])
def test_generators_are_left_as_they_were(*, fails: bool) -> None:
    def sow() -> None:
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        torch.manual_seed(3)
        draw_three()  # both generators of normal numbers keep a second one

    sow()
    expected = draw_three()
    sow()
    with suppress(ZeroDivisionError), seeded(1, 2, 3):
        draw_three()
        if fails:
            raise ZeroDivisionError
    assert draw_three() == expected
