"""The contract of datasets: conversations about images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from attrs import field, frozen

from remgcl.core.parts.checked import CheckedSamples
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import instance, is_a, returns, several, text, that, whole
from remgcl.core.samples import Sample


class Samples(Protocol):
    """A sequence of samples that knows their kind and length without reading images.

    It is picklable, for loader workers. A sample is the same each time it is
    read with the same seeds of Python, numpy and torch.
    """

    def __len__(self) -> int:
        """Count the samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Read a sample; this happens in a loader worker.

        Args:
            index: From 0 to the length.

        Raises:
            DataError: The record or its image cannot be read.
        """
        ...

    def modality_lengths(self) -> Sequence[int]:
        """Return each sample's length in words, negative if it has no image."""
        ...


@frozen(kw_only=True)
class Census:
    """What a dataset holds.

    Attributes:
        samples: Number of samples.
        images: Number of samples with an image.
        digest: Changes when the records change, for a run folder to remember.
        notes: What a user should know, one sentence each.
        words: Length of some samples, at even intervals, as `modality_lengths`
            gives it; without any, nothing is estimated.
        drawn: The numbers of the samples that were drawn from each source, by
            the source's name; a run's folder keeps them in `drawn.json`.
    """

    samples: int
    images: int
    digest: str
    notes: tuple[str, ...] = ()
    words: tuple[int, ...] = ()
    drawn: Mapping[str, Sequence[int]] = field(factory=dict)


_IS_CENSUS = instance(
    Census,
    {
        "samples": whole(1),
        "images": whole(),
        "digest": is_a(str),
        "notes": several(text),
        "words": several(lambda length: isinstance(length, int)),
        "drawn": lambda drawn: isinstance(drawn, Mapping) and all(map(several(whole()), drawn.values())),
    },
)


def _census_flaw(census: object) -> str | None:
    flaw = _IS_CENSUS(census)
    if flaw is None and isinstance(census, Census) and census.images > census.samples:
        return f"one of {census.samples} samples, {census.images} of them with an image"
    return flaw


@frozen(kw_only=True)
class Dataset(Part):
    """Conversations about images."""

    table: ClassVar[str] = "stages.NAME.data"

    @abstractmethod
    @returns(
        "a Census: at least 1 sample, from 0 to as many images, a digest, notes that are texts, words and numbers of "
        "drawn samples that are whole",
        _census_flaw,
    )
    def census(self) -> Census:
        """Count what there is, and verify that every image exists.

        Raises:
            DataError: The data cannot be read or breaks its format.
            FaultsError: Records or images at fault, all of them that were found.
        """

    @abstractmethod
    @returns(
        "a sequence of samples, with __len__, __getitem__ and modality_lengths",
        that(lambda built: all(hasattr(built, name) for name in ("__len__", "__getitem__", "modality_lengths"))),
        held=CheckedSamples,
    )
    def build(self) -> Samples:
        """Make the sequence of samples.

        Raises:
            DataError: The data cannot be read or breaks its format.
        """
