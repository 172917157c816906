"""What parts make, held to their contracts at every call: samples, text filters, OCR readers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.errors import PluginError
from remgcl.core.parts.promise import contained, instance, is_a, number, several, shown, whole
from remgcl.core.samples import Region, Sample, Turn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

CORNERS = 4

_HEX = re.compile(r"([0-9a-f]{2})*")


@frozen(eq=False)
class CheckedSamples:
    """The samples of a dataset, each made sure of as it is read.

    Attributes:
        samples: What the dataset made.
        who: Plugin, part and method that made it.
    """

    samples: Any
    who: str

    def __len__(self) -> int:
        """Count the samples."""
        with contained(f"{self.who}: len"):
            try:
                return len(self.samples)
            except (TypeError, ValueError, OverflowError) as error:
                raise PluginError(f"{self.who}: must make a sequence with a length; {error}") from error

    def __getitem__(self, index: int) -> Sample:
        """Read a sample.

        Args:
            index: From 0 to the length.
        """
        with contained(f"{self.who}: sample {index}"):
            sample = self.samples[index]
        wrong = sample_flaw(sample)
        if wrong is not None:
            raise PluginError(f"{self.who}: sample {index}: must be a Sample as its class describes it; it is {wrong}")
        return sample  # type: ignore[no-any-return]

    def modality_lengths(self) -> Sequence[int]:
        """Return each sample's length in words, negative if it has no image."""
        with contained(f"{self.who}: modality_lengths"):
            lengths = self.samples.modality_lengths()
        every, count = list(lengths) if isinstance(lengths, Sequence) else None, len(self)
        if every is None or len(every) != count or not all(isinstance(length, int) for length in every):
            raise PluginError(
                f"{self.who}: modality_lengths: must return a whole number for each of {count} samples; "
                f"it returned {shown(lengths)}"
            )
        return every


@frozen(eq=False)
class CheckedFilter:
    """A built text filter, whose masks are made sure of.

    Attributes:
        keep: What the part made.
        who: Plugin, part and method that made it.
    """

    keep: Callable[..., Any]
    who: str

    def __call__(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return the mask of kept tokens `[T]`.

        Args:
            ids: Token ids `[T]`.
        """
        import numpy as np

        with contained(f"{self.who}: the result of build"):
            kept = self.keep(ids)
        if not isinstance(kept, np.ndarray) or kept.dtype != np.bool_ or kept.shape != ids.shape:
            raise PluginError(
                f"{self.who}: the result of build must return an array of bool of shape {ids.shape}; "
                f"it returned {shown(kept)}"
            )
        return kept


@frozen(eq=False)
class CheckedReader:
    """A built OCR engine, whose regions are made sure of.

    Attributes:
        read: What the part made.
        who: Plugin, part and method that made it.
    """

    read: Callable[..., Any]
    who: str

    def __call__(self, image: Image) -> Sequence[Region]:
        """Find the lines of text in an image.

        Args:
            image: The image.
        """
        with contained(f"{self.who}: the result of build"):
            regions = self.read(image)
        wrong = regions_flaw(regions)
        if wrong is not None:
            raise PluginError(f"{self.who}: the result of build must return a list of Region; it returned {wrong}")
        return regions  # type: ignore[no-any-return]


def sample_flaw(sample: object) -> str | None:
    """Describe what is wrong with a sample of a dataset.

    Args:
        sample: What a dataset gave.
    """
    wrong = _IS_SAMPLE(sample)
    if wrong is not None or not isinstance(sample, Sample):
        return wrong
    for turn in sample.turns:
        flaw = _IS_TURN(turn)
        if flaw is not None:
            return f"one with a turn that is {flaw}"
    roles = [turn.role for turn in sample.turns]
    if any(role == before for before, role in pairwise(roles)):
        return f"one whose turns do not alternate: {shown(roles)}"
    flaw = regions_flaw(sample.regions)
    return flaw and f"one whose regions are {flaw}"


def regions_flaw(regions: object) -> str | None:
    """Describe what is wrong with text regions.

    Args:
        regions: What a dataset or an OCR engine gave.
    """
    if not isinstance(regions, Sequence) or isinstance(regions, str):
        return shown(regions)
    return next((f"among others {flaw}" for flaw in map(_IS_REGION, regions) if flaw is not None), None)


def _image(value: object) -> bool:
    from PIL.Image import Image

    return value is None or (isinstance(value, Image) and min(value.size) > 0)


def _point(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(map(number, value))  # noqa: PLR2004 - x and y


_IS_TURN = instance(Turn, {"role": lambda role: role in {"user", "assistant"}, "text": is_a(str), "image": is_a(bool)})
_IS_REGION = instance(
    Region,
    {
        "text": is_a(str),
        "quad": several(_point, CORNERS),
        "confidence": lambda value: number(value) and isfinite(value) and 0 <= value <= 1,
    },
)
_IS_SAMPLE = instance(
    Sample,
    {
        "id": is_a(str),
        "turns": lambda turns: isinstance(turns, tuple | list) and len(turns) > 0,
        "image": _image,
        "stands_in_for": whole(),
        "content": lambda value: isinstance(value, str) and _HEX.fullmatch(value) is not None,
    },
)
