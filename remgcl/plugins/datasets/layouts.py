"""How receipts, charts and signs are laid out and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from attrs import Factory, frozen

from remgcl import Region
from remgcl.plugins.datasets.lettering import measured, typeface

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WORDS = (
    *("milk", "tea", "rice", "soap", "bread", "corn", "salt", "figs", "plum", "nuts"),
    *("jam", "beans", "oil", "eggs", "leek", "lamp", "pens", "ink", "rope", "nails"),
    *("bus", "taxi", "tram", "ferry", "exit", "gate", "north", "south", "east", "west"),
    *("pool", "zoo", "park", "bank", "hotel", "cafe", "farm", "lake", "bay", "port"),
)
"""Words of pages."""

SMALLEST = 8
"""Height of the smallest letters in pixels."""

MARGIN = 0.04
"""Empty edge of a page, in its size."""

LINE = 1.5
"""Height of a row, in that of its letters."""

WIDE = 0.6
"""Width of a letter, in its height."""

GAP = 4
"""Pixels between a bar and what is written beside it."""

Ink: TypeAlias = tuple[int, int, int]

LONGEST = max(map(len, WORDS)) + 6
"""Characters of the longest row: a word, a gap and a number."""


@frozen
class Page:
    """What is written on a page.

    Attributes:
        kind: The sort of page.
        rows: The rows, from top to bottom; each a text, or a label and its number.
    """

    kind: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def text(self) -> str:
        """What is written, a row a line."""
        return "\n".join(" ".join(row) for row in self.rows)


def _labelled(random: Random, words: Sequence[str], numbers: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Give every word a number: receipts and charts."""
    del random
    return tuple((word, str(number)) for word, number in zip(words, numbers, strict=True))


def _sign(random: Random, words: Sequence[str], numbers: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Write a word or a number in each row."""
    return tuple(
        (str(number) if random.random() < 0.5 else word.upper(),)  # noqa: PLR2004 - one as often as the other
        for word, number in zip(words, numbers, strict=True)
    )


LAYOUTS: Mapping[str, Callable[[Random, Sequence[str], Sequence[int]], tuple[tuple[str, ...], ...]]] = {
    "receipt": _labelled,
    "chart": _labelled,
    "sign": _sign,
}
"""What makes up the rows of each sort of page."""


def fits(size: int, rows: int) -> bool:
    """Return whether rows fit a page in letters that can be read.

    Args:
        size: Height and width of the page in pixels.
        rows: How many there are.
    """
    return _height(size, rows) >= SMALLEST


def draw(page: Page, size: int, random: Random) -> tuple[Image, tuple[Region, ...]]:
    """Draw a page.

    Args:
        page: What is written.
        size: Height and width in pixels.
        random: Chooses colours and places.

    Returns:
        The image in RGB, and its regions, row by row.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (size, size), _colour(random, 205, 255))
    writer = Writer(ImageDraw.Draw(image), size, len(page.rows), random, _colour(random, 0, 80))
    for place, row in enumerate(page.rows):
        top = size * MARGIN + writer.pitch * place
        {"receipt": writer.receipt, "chart": writer.chart, "sign": writer.sign}[page.kind](row, top)
    return image, tuple(writer.regions)


@frozen
class Writer:
    """Writes the rows of a page.

    Attributes:
        pen: Draws on the image.
        size: Height and width of the page in pixels.
        rows: How many rows it has.
        random: Chooses colours and places.
        ink: The colour of the letters.
        regions: What was written.
    """

    pen: ImageDraw
    size: int
    rows: int
    random: Random
    ink: Ink
    regions: list[Region] = Factory(list)

    @property
    def pitch(self) -> float:
        """Height of a row in pixels."""
        return self.size * (1 - 2 * MARGIN) / self.rows

    def receipt(self, row: tuple[str, ...], top: float) -> None:
        """Write a label on the left and its number on the right.

        Args:
            row: Both.
            top: Upper edge of the row in pixels.
        """
        label, number = row
        height, edge = _height(self.size, self.rows), round(self.size * MARGIN)
        self._write(label, edge, top, height)
        self._write(number, self.size - edge - measured(number, height)[0], top, height)

    def chart(self, row: tuple[str, ...], top: float) -> None:
        """Write a label, a bar as long as the number is large, and the number at its end.

        Args:
            row: Label and number.
            top: Upper edge of the row in pixels.
        """
        label, number = row
        height, edge = _height(self.size, self.rows), round(self.size * MARGIN)
        left = edge + max(measured(word, height)[0] for word in WORDS) + GAP
        room = self.size - edge - left - measured("0" * len(number), height)[0] - GAP
        right = left + max(2, round(room * int(number) / 10 ** len(number)))
        bar = (left, top + self.pitch / 4, right, top + self.pitch * 3 / 4)
        self.pen.rectangle(bar, fill=_colour(self.random, 90, 190))
        self._write(label, edge, top, height)
        self._write(number, right + GAP, top, height)

    def sign(self, row: tuple[str, ...], top: float) -> None:
        """Write a text in the middle, in letters of any height.

        Args:
            row: The text.
            top: Upper edge of the row in pixels.
        """
        (text,) = row
        largest = _height(self.size, self.rows, max(map(len, WORDS)))
        height = self.random.randint(max(SMALLEST, largest // 2), largest)
        self._write(text, (self.size - measured(text, height)[0]) // 2, top, height)

    def _write(self, text: str, left: int, top: float, height: int) -> None:
        """Write a text into the middle of its row."""
        width, tall = measured(text, height)
        above = round(top + (self.pitch - tall) / 2)
        self.pen.text((left, above), text, font=typeface(height), fill=self.ink, anchor="lt")
        right, below = left + width, above + tall
        self.regions.append(Region(text, ((left, above), (right, above), (right, below), (left, below))))


def _height(size: int, rows: int, longest: int = LONGEST) -> int:
    """Choose the height of letters with which as many rows, and one of the longest, fit a page."""
    by_rows = int(size * (1 - 2 * MARGIN) / rows / LINE)
    by_width = int(size * (1 - 2 * MARGIN) / (longest * WIDE))
    return min(by_rows, by_width)


def _colour(random: Random, least: int, most: int) -> Ink:
    return random.randint(least, most), random.randint(least, most), random.randint(least, most)
