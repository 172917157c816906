"""The order in which the Trainer of transformers sees the samples."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from remgcl.core.parts import Samples
from remgcl.core.training.job import Job


class Order(Sampler[int]):
    """The order of the samples, another one each epoch."""

    def __init__(self, job: Job, batch_size: int, samples: Samples) -> None:
        """Remember what the order depends on.

        Args:
            job: The stage.
            batch_size: Samples of a step, over all devices.
            samples: The training data.
        """
        self._job, self._batch_size, self._samples = job, batch_size, samples
        self._epoch = 0

    def __len__(self) -> int:
        """Count the samples."""
        return len(self._samples)

    def __iter__(self) -> Iterator[int]:
        """Return the places of the samples, in order."""
        return iter(self._job.order(self._samples, self._batch_size, self._epoch))

    def set_epoch(self, epoch: int) -> None:
        """Set which pass over the data comes next.

        Args:
            epoch: Passes so far.
        """
        self._epoch = epoch
