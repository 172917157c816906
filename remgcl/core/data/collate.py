"""Examples to one batch: every place and mask the model needs, as tensors.

All indices that `forward` uses are computed here, in the loader worker, so
that the forward pass never waits for the accelerator to count something.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from attrs import frozen

from remgcl.core.data.encode import Example, Image
from remgcl.core.data.tokens import IGNORED, IMAGE, Ids
from remgcl.core.parts import TowerSpec
from remgcl.core.samples import Batch


@frozen
class Collator:
    """Makes a batch of examples; picklable, for loader workers.

    Attributes:
        tower: What the vision tower declares.
        left: Whether to pad on the left, as generation needs, or on the right.
    """

    tower: TowerSpec
    left: bool = False

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """Collate examples.

        Args:
            examples: At least one.
        """
        rows = [_expand(example, self.tower.tokens) for example in examples]
        length = max(len(ids) for ids, _, _ in rows)
        ids, labels = self._pad(rows, 0, length, 0), self._pad(rows, 1, length, IGNORED)
        kept = self._pad(rows, 2, length, 0).astype(bool)
        present = self._pad([(np.ones_like(row[0]),) for row in rows], 0, length, 0)
        labels[:, 0] = IGNORED  # nothing comes before the first token to predict it from
        answer_slots, answer_mask = _answers(labels, kept)
        images = [example.image for example in examples if example.image is not None]
        regions = [image.regions for image in images]
        texts = [ids for each in regions for ids in each.ids]
        patches = self.tower.grid.patches
        return Batch(
            pixels=self._pixels(images),
            patch_mask=_stack([image.patch_mask for image in images], (patches,), np.bool_),
            image_sample=torch.tensor([i for i, e in enumerate(examples) if e.image is not None], dtype=torch.int64),
            image_key=torch.tensor([image.key for image in images], dtype=torch.int64),
            image_slots=torch.from_numpy(np.flatnonzero(ids == IMAGE)),
            ids=torch.from_numpy(np.where(ids == IMAGE, 0, ids)),
            attention_mask=torch.from_numpy(present),
            labels=torch.from_numpy(labels),
            label_slots=torch.from_numpy(np.flatnonzero(labels != IGNORED)),
            answer_slots=torch.from_numpy(answer_slots),
            answer_mask=torch.from_numpy(answer_mask),
            answer_key=torch.tensor([example.key for example in examples]),
            region_image=_indices([len(each.keys) for each in regions]),
            region_of_image=_rows([len(each.keys) for each in regions]),
            region_patch_weights=_join([each.patch_weights for each in regions], (0, patches), np.float32),
            region_ids=_join(texts, (0,), np.int64),
            region_of_id=_indices([len(ids) for ids in texts]),
            region_slots=_slots([len(ids) for ids in texts]),
            region_text_key=_join([each.keys for each in regions], (0,), np.int64),
            region_confidence=_join([each.confidence for each in regions], (0,), np.float32),
            index=torch.tensor([example.index for example in examples]),
            counts=torch.tensor(
                [
                    sum(example.tokens.cut > 0 for example in examples),
                    sum(example.replaced for example in examples),
                    sum(image.regions.dropped for image in images),
                ]
            ),
        )

    def _pad(self, rows: Sequence[Sequence[npt.NDArray[np.generic]]], which: int, length: int, fill: int) -> Ids:
        padded = np.full((len(rows), length), fill, dtype=np.int64)
        for i, row in enumerate(rows):
            size = len(row[which])
            padded[i, slice(length - size, None) if self.left else slice(size)] = row[which]
        return padded

    def _pixels(self, images: Sequence[Image]) -> torch.Tensor:
        black = np.zeros((3, *self.tower.size), dtype=np.uint8)
        return _stack([image.pixels for image in images] or [black], black.shape, np.uint8)


def _expand(example: Example, image_tokens: int) -> tuple[Ids, Ids, npt.NDArray[np.bool_]]:
    """Expand the image's place to its number of tokens, in ids, labels and kept tokens `[T]`."""
    tokens = example.tokens
    times = np.where(tokens.ids == IMAGE, image_tokens, 1)
    return np.repeat(tokens.ids, times), np.repeat(tokens.labels, times), np.repeat(example.kept, times)


def _answers(labels: Ids, kept: npt.NDArray[np.bool_]) -> tuple[Ids, npt.NDArray[np.bool_]]:
    """Place the supervised tokens of each sample in a row: slots and mask `[B, A]`."""
    learned = labels != IGNORED
    longest = int(learned.sum(axis=1).max())
    slots = np.zeros((len(labels), longest), dtype=np.int64)
    mask = np.zeros((len(labels), longest), dtype=np.bool_)
    for i, row in enumerate(learned):
        places = np.flatnonzero(row)
        slots[i, : len(places)] = i * labels.shape[1] + places
        mask[i, : len(places)] = kept[i, places]
    return slots, mask


def _indices(counts: Sequence[int]) -> torch.Tensor:
    """Repeat each place as often as its count says."""
    return torch.from_numpy(np.repeat(np.arange(len(counts)), np.array(counts, dtype=np.int64)))


def _rows(counts: Sequence[int]) -> torch.Tensor:
    """Place the regions of each image in a row, their number on padding."""
    lengths = np.array(counts, dtype=np.int64)[:, None]
    places = np.arange(lengths.max(initial=0))
    starts = np.cumsum(lengths)[:, None] - lengths
    return torch.from_numpy(np.where(places < lengths, starts + places, lengths.sum()))


def _slots(counts: Sequence[int]) -> torch.Tensor:
    """Place the tokens of each text in a row, -1 on padding; one empty row if there is no text."""
    lengths = np.array([*counts] or [0])[:, None]
    places = np.arange(max(lengths.max(), 1))
    return torch.from_numpy(np.where(places < lengths, np.cumsum(lengths)[:, None] - lengths + places, -1))


def _stack(arrays: Sequence[npt.NDArray[np.generic]], shape: tuple[int, ...], dtype: type[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.stack(arrays) if arrays else np.zeros((0, *shape), dtype))


def _join(arrays: Sequence[npt.NDArray[np.generic]], shape: tuple[int, ...], dtype: type[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(arrays) if arrays else np.zeros(shape, dtype))
