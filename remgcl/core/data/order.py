"""The order in which samples are seen, and what is random in each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

POOL = 50
"""Batches that are sorted by length together; more sort better and shuffle less."""


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """Shuffle the places of samples.

    Args:
        count: Number of samples.
        seed: Seed of the run.
        epoch: Passes over the data so far; each has its own order.
    """
    return [int(place) for place in np.random.default_rng((seed, epoch)).permutation(count)]


def grouped(modality_lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[int]:
    """Order samples so that batches hold one kind, and similar lengths.

    Samples of a kind (with an image or without) are shuffled, sorted by length
    within pools of `POOL` batches, and cut into batches; batches are shuffled.
    What does not fill a batch comes last. (LLaVA, `llava/train/llava_trainer.py`
    `get_modality_length_grouped_indices`, sorts within one batch of all ranks,
    so it groups no lengths on a single device.)

    Args:
        modality_lengths: Length of each sample, negative without an image.
        batch_size: Samples of a step, over all devices.
        seed: Seed of the run.
        epoch: Passes over the data so far; each has its own order.
    """
    generator = np.random.default_rng((seed, epoch))
    lengths = np.asarray(modality_lengths)
    full: list[list[int]] = []
    rest: list[int] = []
    for kind in (lengths > 0, lengths <= 0):
        places = generator.permutation(np.flatnonzero(kind))
        for start in range(0, len(places), POOL * batch_size):
            pool = places[start : start + POOL * batch_size]
            pool = pool[np.argsort(-np.abs(lengths[pool]), kind="stable")]
            batches = [pool[i : i + batch_size].tolist() for i in range(0, len(pool), batch_size)]
            rest += batches.pop() if len(batches[-1]) < batch_size else []
            full += batches
    shuffle = generator.permutation(len(full))
    return [place for batch in shuffle for place in full[batch]] + rest


@contextmanager
def seeded(seed: int, epoch: int, index: int) -> Iterator[None]:
    """Seed Python, numpy and torch for one sample, and leave them as they were.

    Args:
        seed: Seed of the run.
        epoch: Passes over the data so far.
        index: The sample's place.
    """
    import torch

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - what datasets may use
    sown = int(np.random.SeedSequence((seed, epoch, index)).generate_state(1)[0])
    random.seed(sown)
    np.random.seed(sown)  # noqa: NPY002
    torch.default_generator.manual_seed(sown)  # those of accelerators stay as they are
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.set_rng_state(before[2])
