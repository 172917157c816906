"""The order in which samples are seen: shuffled, or grouped by kind and length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

POOL = 50
"""Batches that are sorted by length together; more sort better and shuffle less."""


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """Shuffle the places of samples.

    Args:
        count: Number of samples.
        seed: Seed of the run.
        epoch: Passes over the data so far; each has an order of its own.
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
        epoch: Passes over the data so far; each has an order of its own.
    """
    random = np.random.default_rng((seed, epoch))
    lengths = np.asarray(modality_lengths)
    full: list[list[int]] = []
    rest: list[int] = []
    for kind in (lengths > 0, lengths <= 0):
        places = random.permutation(np.flatnonzero(kind))
        for start in range(0, len(places), POOL * batch_size):
            pool = places[start : start + POOL * batch_size]
            pool = pool[np.argsort(-np.abs(lengths[pool]), kind="stable")]
            batches = [pool[i : i + batch_size].tolist() for i in range(0, len(pool), batch_size)]
            rest += batches.pop() if len(batches[-1]) < batch_size else []
            full += batches
    shuffle = random.permutation(len(full))
    return [place for batch in shuffle for place in full[batch]] + rest
