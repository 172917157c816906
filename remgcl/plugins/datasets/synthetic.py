"""Drawn words and numbers at known places: data without a download."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count, islice
from random import Random
from string import ascii_uppercase, digits
from typing import TYPE_CHECKING, Literal

from attrs import asdict, field, frozen
from attrs.validators import and_, ge, gt, lt

from remgcl import Census, DataError, Dataset, Region, Sample, Turn
from remgcl.plugins.datasets.lettering import measured, typeface
from remgcl.plugins.datasets.splits import is_held_out

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"

ATTEMPTS = 50
"""Places tried for a line before the drawing starts over."""

DRAWS = 2000
"""Texts made up to see whether a split has any."""


@frozen(kw_only=True)
class Synthetic(Dataset):
    """Lines of digits, letters or made-up words, drawn at random positions.

    The answer is the drawn text, from top to bottom. Each line is a text region. The hash of a text
    assigns it to one of two splits: held-out texts are never drawn for training, whatever the
    seeds.

    Attributes:
        samples: Number of samples.
        split: Whether to draw training texts or held-out ones.
        held_out: Share of all texts that is held out.
        content: The kind of text that is drawn.
        length: Characters of a line.
        lines: Lines in an image.
        size: Height and width of the image in pixels.
        font: Smallest and largest height of the font in pixels.
        question: What the user asks.
        seed: Seed of the drawings.
    """

    samples: int = field(default=1000, validator=ge(1))
    split: Literal["train", "held_out"] = "train"
    held_out: float = field(default=0.2, validator=and_(gt(0), lt(1)))
    content: Literal["digits", "letters", "words"] = "digits"
    length: int = field(default=3, validator=ge(1))
    lines: int = field(default=1, validator=ge(1))
    size: int = field(default=96, validator=ge(16))
    font: tuple[int, int] = (20, 30)
    question: str = "What is written here?"
    seed: int = field(default=0, validator=ge(0))

    def __attrs_post_init__(self) -> None:
        """Verify the sizes of the font."""
        if not 1 <= self.font[0] <= self.font[1]:
            raise ValueError(f"font {list(self.font)!r} must be the smallest and the largest height in pixels")

    def census(self) -> Census:
        """Verify that the split has texts, and that the largest lines fit into the image."""
        if not any(self.belongs(text) for text in islice(_texts(self, Random(0)), DRAWS)):
            raise DataError(
                f"dataset 'synthetic': none of {DRAWS} texts belongs to the split {self.split!r}; "
                "take more characters or a share that is less extreme"
            )
        width, height = _largest(self)
        if width + 2 > self.size or self.lines * (height + 2) > 0.7 * self.size:
            raise DataError(
                f"dataset 'synthetic': {self.lines} lines of {width} x {height} pixels do not fit an image of "
                f"{self.size} x {self.size}; take a smaller font, fewer characters or a larger size"
            )
        digest = hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()
        return Census(samples=self.samples, images=self.samples, digest=digest, words=(self.words,))

    @property
    def words(self) -> int:
        """Words of a sample; all have as many."""
        return len(self.question.split()) + self.lines

    def build(self) -> SyntheticSamples:
        """Return the samples; each is drawn when it is read."""
        self.census()  # what cannot be drawn would be tried forever
        return SyntheticSamples(self)

    def belongs(self, text: str) -> bool:
        """Return whether a text belongs to this split.

        Args:
            text: A line.
        """
        return is_held_out(text, self.held_out) == (self.split == "held_out")


class SyntheticSamples:
    """Drawn samples; the same index is always the same drawing."""

    def __init__(self, dataset: Synthetic) -> None:
        """Keep the settings.

        Args:
            dataset: What to draw.
        """
        self._dataset = dataset

    def __len__(self) -> int:
        """Count the samples."""
        return self._dataset.samples

    def __getitem__(self, index: int) -> Sample:
        """Draw a sample.

        Args:
            index: From 0 to the length.

        Raises:
            IndexError: It is not in that range.
        """
        from PIL import Image, ImageDraw

        data = self._dataset
        if not 0 <= index < len(self):
            raise IndexError(index)
        random = Random(f"{data.seed} {data.split} {index}")
        paper = (random.randint(200, 255), random.randint(200, 255), random.randint(200, 255))
        image = Image.new("RGB", (data.size, data.size), paper)
        pen = ImageDraw.Draw(image)
        regions = []
        for text, (left, top, right, bottom), font in sorted(_layout(data, random), key=lambda line: line[1][1]):
            ink = (random.randint(0, 90), random.randint(0, 90), random.randint(0, 90))
            pen.text((left, top), text, font=font, fill=ink, anchor="lt")
            regions.append(Region(text, ((left, top), (right, top), (right, bottom), (left, bottom))))
        answer = " ".join(region.text for region in regions)
        turns = (Turn("user", data.question, image=True), Turn("assistant", answer))
        return Sample(f"{data.split}-{index}", turns, image, tuple(regions))

    def modality_lengths(self) -> Sequence[int]:
        """Return the same length for every sample."""
        return [self._dataset.words] * len(self)


Box = tuple[int, int, int, int]


def _layout(data: Synthetic, random: Random) -> list[tuple[str, Box, FreeTypeFont]]:
    """Choose lines and places for them that do not overlap."""
    while True:
        lines: list[tuple[str, Box, FreeTypeFont]] = []
        for _ in range(data.lines):
            text = next(text for text in _texts(data, random) if data.belongs(text))
            height = random.randint(*data.font)
            box = _place(data, random, measured(text, height), [line[1] for line in lines])
            if box is not None:
                lines.append((text, box, typeface(height)))
        if len(lines) == data.lines:
            return lines


def _place(data: Synthetic, random: Random, extent: tuple[int, int], taken: Sequence[Box]) -> Box | None:
    """Find a place whose rows are free, or give up."""
    width, height = extent
    for _ in range(ATTEMPTS):
        left, top = random.randint(1, data.size - width - 1), random.randint(1, data.size - height - 1)
        if all(top + height + 2 < above or below + 2 < top for _, above, _, below in taken):
            return left, top, left + width, top + height
    return None


def _texts(data: Synthetic, random: Random) -> Iterator[str]:
    """Make up texts."""
    for _ in count():
        if data.content == "words":
            yield "".join(random.choice((CONSONANTS, VOWELS)[place % 2]) for place in range(data.length))
        else:
            yield "".join(random.choices(digits if data.content == "digits" else ascii_uppercase, k=data.length))


def _largest(data: Synthetic) -> tuple[int, int]:
    """Measure the widest line and the tallest that may be made up, in the largest font."""
    letters = {"digits": (digits,) * 2, "letters": (ascii_uppercase,) * 2, "words": (CONSONANTS, VOWELS)}[data.content]
    widest = [max(measured(letter, data.font[1])[0] for letter in choice) for choice in letters]
    return sum(widest[place % 2] for place in range(data.length)), measured("".join(letters), data.font[1])[1]
