"""Drawn pages with several lines of text: receipts, charts and signs, to ask about without a download."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Literal

from attrs import asdict, field, frozen
from attrs.validators import and_, ge, gt, lt

from remgcl import Census, DataError, Dataset, Sample, Turn
from remgcl.plugins.datasets.layouts import LAYOUTS, WORDS, Page, draw, fits
from remgcl.plugins.datasets.splits import is_held_out

DRAWS = 2000
"""Pages made up to see whether a split has any."""

Kind = Literal["receipt", "chart", "sign"]


@frozen(kw_only=True)
class Pages(Dataset):
    """Receipts, bar charts and signs with several lines of words and numbers, drawn.

    The answer is what is written, line by line. Each piece of text is a region with its known place, so questions
    composed of the regions are right. A page belongs to one of two splits for good, by the hash of its text: what is
    held out is never drawn for training, whatever the seeds.

    Attributes:
        samples: Number of samples.
        split: Whether to draw training pages or held-out ones.
        held_out: Share of all pages that is held out.
        kinds: Which sorts of page are drawn, each as often as any other.
        rows: Fewest and most rows of a page.
        largest: Largest number on a page; the smallest is 1.
        words: How many different words there are.
        size: Height and width of the image in pixels.
        question: What the user asks.
        seed: Seed of the drawings.
    """

    samples: int = field(default=1000, validator=ge(1))
    split: Literal["train", "held_out"] = "train"
    held_out: float = field(default=0.2, validator=and_(gt(0), lt(1)))
    kinds: tuple[Kind, ...] = ("receipt", "chart", "sign")
    rows: tuple[int, int] = (2, 5)
    largest: int = field(default=99, validator=ge(9))
    words: int = field(default=len(WORDS), validator=and_(ge(2), lt(len(WORDS) + 1)))
    size: int = field(default=256, validator=ge(48))
    question: str = "What is written here?"
    seed: int = field(default=0, validator=ge(0))

    def __attrs_post_init__(self) -> None:
        """Verify kinds and rows."""
        if not self.kinds:
            raise ValueError("kinds must name at least one sort of page; it is empty")
        if not 1 <= self.rows[0] <= self.rows[1] <= min(self.words, self.largest):
            raise ValueError(
                f"rows {list(self.rows)!r} must be the fewest and the most rows, of words and numbers that differ"
            )

    def census(self) -> Census:
        """Verify that the split has pages, and that the longest fit into the image."""
        if not fits(self.size, self.rows[1]):
            raise DataError(
                f"dataset 'pages': {self.rows[1]} rows do not fit an image of {self.size} x {self.size} pixels in "
                "letters that can be read; take fewer rows or a larger size"
            )
        if not any(self.belongs(self._made_up(Random(f"{self.seed} {place}"))) for place in range(DRAWS)):
            raise DataError(
                f"dataset 'pages': none of {DRAWS} pages belongs to the split {self.split!r}; "
                "take more rows or a share that is less extreme"
            )
        digest = hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()
        built = PageSamples(self)
        words = tuple(built.words(place) for place in range(min(self.samples, 200)))
        return Census(samples=self.samples, images=self.samples, digest=digest, words=words)

    def build(self) -> PageSamples:
        """Make the samples; each is drawn when it is asked for."""
        self.census()  # what cannot be drawn would be tried forever
        return PageSamples(self)

    def belongs(self, page: Page) -> bool:
        """Return whether a page belongs to this split.

        Args:
            page: What is written on it.
        """
        return is_held_out(page.text, self.held_out) == (self.split == "held_out")

    def page(self, index: int) -> tuple[Page, Random]:
        """Make up what is written on a page of this split, and what else is random about it.

        Args:
            index: The sample's place.
        """
        random = Random(f"{self.seed} {self.split} {index}")
        return next(page for _ in count() if self.belongs(page := self._made_up(random))), random

    def _made_up(self, random: Random) -> Page:
        kind = random.choice(self.kinds)
        rows = random.randint(*self.rows)
        words = random.sample(WORDS[: self.words], rows)
        numbers = random.sample(range(1, self.largest + 1), rows)
        return Page(kind, LAYOUTS[kind](random, words, numbers))


class PageSamples:
    """Drawn pages; the same index is always the same drawing."""

    def __init__(self, dataset: Pages) -> None:
        """Keep the settings.

        Args:
            dataset: What to draw.
        """
        self._dataset = dataset

    def __len__(self) -> int:
        """Count the samples."""
        return self._dataset.samples

    def __getitem__(self, index: int) -> Sample:
        """Draw a page.

        Args:
            index: From 0 to the length.

        Raises:
            IndexError: It is not in that range.
        """
        data = self._dataset
        if not 0 <= index < len(self):
            raise IndexError(index)
        page, random = data.page(index)
        image, regions = draw(page, data.size, random)
        turns = (Turn("user", data.question, image=True), Turn("assistant", page.text))
        return Sample(f"{data.split}-{index}", turns, image, regions)

    def words(self, index: int) -> int:
        """Count the words of a sample.

        Args:
            index: Its place.
        """
        return len(self._dataset.question.split()) + len(self._dataset.page(index)[0].text.split())

    def modality_lengths(self) -> Sequence[int]:
        """Count the words of each sample, without drawing it."""
        return [self.words(index) for index in range(len(self))]
