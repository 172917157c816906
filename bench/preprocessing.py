"""An image file to the pixels of a tower: plain Pillow, exact and fast."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import numpy.typing as npt
import PIL.Image
from attrs import frozen

from bench import naive
from bench.comparison import Row, alternate
from remgcl.core.data.pixels import prepare

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@frozen(kw_only=True)
class Case:
    """An image file, and the tower that looks at it.

    Attributes:
        file: The bytes of a JPEG file.
        edge: Height and width of the tower's input.
    """

    file: bytes
    edge: int

    def naive(self) -> npt.NDArray[np.float32]:
        """Prepare the image the plain way, normalised `[3, edge, edge]`."""
        return naive.prepare(self._decoded(), self.edge, MEAN, STD)

    def ours(self, resampling: Literal["exact", "fast"]) -> npt.NDArray[np.uint8]:
        """Prepare the image as a loader worker does, bytes `[3, edge, edge]`.

        Args:
            resampling: How it is resized.
        """
        return prepare(self._decoded(), (self.edge, self.edge), "pad", MEAN, resampling)[0]

    def _decoded(self) -> PIL.Image.Image:
        with PIL.Image.open(io.BytesIO(self.file)) as image:
            return image.convert("RGB")


def normalise(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Rescale and normalise bytes `[3, H, W]`, as the model does.

    Args:
        pixels: What a loader worker made.
    """
    mean, std = (255 * np.reshape(np.array(part, dtype=np.float32), (3, 1, 1)) for part in (MEAN, STD))
    normalised: npt.NDArray[np.float32] = (pixels - mean) / std
    return normalised


def make(*, quick: bool) -> Case:
    """Draw something like a photograph: soft spots of all sizes, each size half as strong as the next.

    Args:
        quick: Whether to draw a small one.
    """
    width, height, edge = (64, 48, 32) if quick else (640, 480, 336)
    rng = np.random.default_rng(0)
    picture = np.zeros((height, width, 3))
    for halvings in range(2, 6):
        spots = rng.integers(0, 256, (max(height >> halvings, 1), max(width >> halvings, 1), 3), dtype=np.uint8)
        picture += 2**halvings * np.asarray(PIL.Image.fromarray(spots).resize((width, height)), dtype=np.float64)
    file = io.BytesIO()
    PIL.Image.fromarray((picture / sum(2**halvings for halvings in range(2, 6))).astype(np.uint8)).save(
        file, "JPEG", quality=90
    )
    return Case(file=file.getvalue(), edge=edge)


def measure(case: Case, *, quick: bool) -> list[Row]:
    """Time all three ways.

    Args:
        case: What to prepare.
        quick: Whether to time as little as possible.
    """
    ways = {
        "naive": case.naive,
        "exact": lambda: normalise(case.ours("exact")),
        "fast": lambda: normalise(case.ours("fast")),
        "plain bytes": lambda: case.ours("exact"),
        "fast bytes": lambda: case.ours("fast"),
    }
    times = alternate(ways, 2 if quick else 100, warm_up=1 if quick else 10)
    exact, fast = case.ours("exact").astype(int), case.ours("fast").astype(int)
    levels = f"largest difference: {np.abs(exact - fast).max()} grey levels"
    width, height = PIL.Image.open(io.BytesIO(case.file)).size
    what = f"JPEG of {width} x {height} to {case.edge} x {case.edge}"
    none = "same bytes before normalising"
    return [
        Row(
            what=f"{what}, normalised: `exact`", naive=times["naive"], ours=times["exact"], goal=None, differences=none
        ),
        Row(what=f"{what}, normalised: `fast`", naive=times["naive"], ours=times["fast"], goal=2, differences=levels),
        Row(
            what=f"{what}, bytes as a loader worker makes them: `exact` against `fast`",
            naive=times["plain bytes"],
            ours=times["fast bytes"],
            goal=2,
            differences=levels,
        ),
    ]
