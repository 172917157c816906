"""Lines of text on a page: their boxes, which stands beside which, and which are numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from remgcl import Region

NUMBER = re.compile(
    r"(?P<before>[$€£¥]?)\s?(?P<digits>[-−]?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?)\s?(?P<after>%?)"
)
"""A line that is a number and nothing else, perhaps with a currency or a percent sign."""

SLANT = 0.2
"""Rise of a line's upper edge, in its length, from which "above" and "right of" mean little."""

OVERLAP = 0.5
"""Share of the shorter of two lines that must lie above, or beside, the other."""

NEAR = 3.0
"""Heights of a line within which another stands directly above or below it."""


@frozen(kw_only=True)
class Line:
    """A line of text.

    Attributes:
        place: Its number among the regions of the image.
        text: What is written.
        box: Left, top, right and bottom, in pixels.
        upright: Whether it runs from left to right.
        sure: Whether OCR is certain enough of its text.
    """

    place: int
    text: str
    box: tuple[float, float, float, float]
    upright: bool
    sure: bool

    @property
    def height(self) -> float:
        """Its height in pixels."""
        return self.box[3] - self.box[1]

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@frozen
class Number:
    """A line that is a number.

    Attributes:
        line: The line.
        value: The number.
        unit: The signs before and after it.
    """

    line: Line
    value: Decimal
    unit: tuple[str, str]


def lines_of(regions: Sequence[Region], least: float) -> list[Line]:
    """Read the lines off the regions of an image.

    Args:
        regions: The regions.
        least: Confidence from which a text is taken for right.
    """
    lines = []
    for place, region in enumerate(regions):
        xs, ys = zip(*region.quad, strict=True)
        (x0, y0), (x1, y1) = region.quad[:2]
        upright = x1 > x0 and abs(y1 - y0) <= SLANT * (x1 - x0)
        text = " ".join(region.text.split())
        box = (min(xs), min(ys), max(xs), max(ys))
        lines.append(Line(place=place, text=text, box=box, upright=upright, sure=region.confidence >= least))
    return lines


def named(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that a question can name by their texts: certain, short, and the only ones that read so.

    Args:
        lines: All lines of an image.
    """
    texts = [line.text.casefold() for line in lines]
    return [
        line
        for line, text in zip(lines, texts, strict=True)
        if line.sure and 0 < len(text) <= 60 and texts.count(text) == 1 and not set('"“”\\<>') & set(text)  # noqa: PLR2004 - characters
    ]


def number_of(line: Line) -> Number | None:
    """Read a line that is a number; nothing if it is something else, or can be read in two ways.

    Args:
        line: The line.
    """
    found = NUMBER.fullmatch(line.text)
    if found is None:
        return None
    digits = found["digits"].replace(",", "").replace("−", "-")
    return Number(line, Decimal(digits), (found["before"], found["after"]))


def above(line: Line, lines: Sequence[Line]) -> Line | None:
    """Find the line that stands directly above another, where there can be no doubt.

    Args:
        line: The lower line.
        lines: All lines of the image.
    """
    return _next(line, lines, axis=1, sign=-1, near=NEAR)


def below(line: Line, lines: Sequence[Line]) -> Line | None:
    """Find the line that stands directly below another, where there can be no doubt.

    Args:
        line: The upper line.
        lines: All lines of the image.
    """
    return _next(line, lines, axis=1, sign=1, near=NEAR)


def right(line: Line, lines: Sequence[Line]) -> Line | None:
    """Find the next line to the right of another, at the same height, where there can be no doubt.

    Args:
        line: The left line.
        lines: All lines of the image.
    """
    return _next(line, lines, axis=0, sign=1, near=float("inf"))


def _next(line: Line, lines: Sequence[Line], *, axis: int, sign: int, near: float) -> Line | None:
    """Find the nearest line in a direction, if it faces this one squarely and no other comes near it."""
    facing = []
    for other in lines:
        if other is line or _shared(line, other, 1 - axis) <= 0:
            continue
        if _shared(line, other, axis) > 0.25 * min(_extent(line, axis), _extent(other, axis)):
            return None  # they lie on each other
        if sign * (other.middle[axis] - line.middle[axis]) > 0:
            facing.append(other)
    facing.sort(key=lambda other: sign * (other.middle[axis] - line.middle[axis]))
    if not facing or not line.upright or not facing[0].upright or not facing[0].sure:
        return None
    nearest = facing[0]
    gap = -_shared(line, nearest, axis)
    square = _shared(line, nearest, 1 - axis) >= OVERLAP * min(_extent(line, 1 - axis), _extent(nearest, 1 - axis))
    alone = all(_shared(nearest, other, axis) <= 0 for other in facing[1:])
    return nearest if square and alone and gap <= near * max(line.height, nearest.height) else None


def _extent(line: Line, axis: int) -> float:
    return line.box[axis + 2] - line.box[axis]


def _shared(one: Line, other: Line, axis: int) -> float:
    """Measure how far two lines overlap along an axis; the gap between them, negative, if they do not."""
    return min(one.box[axis + 2], other.box[axis + 2]) - max(one.box[axis], other.box[axis])
