"""A picture of held-out images: what is written where, and what the model read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from remgcl.core.evaluation.answers import Answered

if TYPE_CHECKING:
    from PIL.Image import Image

CELL = 224
"""Height and width of an image in the picture, in pixels."""

LINE = 20
"""Height of a line of text below an image, in pixels."""

GAP = 12
COLUMNS = 4
INK, GREEN, RED, BLUE = (40, 40, 40), (20, 130, 60), (190, 40, 40), (40, 110, 220)


def draw(answered: Sequence[Answered], right: Callable[[Answered], bool] = attrgetter("right")) -> Image:
    """Draw samples in a grid, each with its regions, true answer and answer.

    Args:
        answered: Answered samples, at least one.
        right: Returns whether an answer is right, which is written in green; others are in red.
    """
    from PIL import Image, ImageDraw

    rows = -(-len(answered) // COLUMNS)
    cell = (CELL + GAP, CELL + 3 * LINE + GAP)
    picture = Image.new("RGB", (COLUMNS * cell[0] + GAP, rows * cell[1] + GAP), "white")
    pen = ImageDraw.Draw(picture)
    for place, each in enumerate(answered):
        left, top = GAP + place % COLUMNS * cell[0], GAP + place // COLUMNS * cell[1]
        if each.sample.image is not None:
            picture.paste(_with_regions(each), (left, top))
        pen.rectangle((left - 1, top - 1, left + CELL, top + CELL), outline=(200, 200, 200))
        said = (
            (each.sample.turns[-2].text, INK),
            (each.sample.turns[-1].text, INK),
            (each.answer, GREEN if right(each) else RED),
        )
        for line, (text, colour) in enumerate(said):
            label = ("ask", "true", "read")[line]
            _write(pen, (left, top + CELL + 4 + line * LINE), f"{label}: {text}", colour)
    return picture


def _with_regions(each: Answered) -> Image:
    """Fit an image into a cell, and outline its regions."""
    from PIL import Image, ImageDraw

    image = each.sample.image
    if image is None:
        raise TypeError("the sample has no image")
    scale = CELL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    cell = Image.new("RGB", (CELL, CELL), (235, 235, 235))
    cell.paste(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), (0, 0))
    pen = ImageDraw.Draw(cell)
    for region in each.sample.regions:
        pen.polygon([(x * scale, y * scale) for x, y in region.quad], outline=BLUE, width=2)
    return cell


def _write(pen: object, at: tuple[int, int], text: str, colour: tuple[int, int, int]) -> None:
    """Write one line, cut to the width of a cell."""
    from PIL import ImageFont

    font = ImageFont.load_default(14)
    line = " ".join(text.split())
    while line and font.getlength(line) > CELL:
        line = line[:-2].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    pen.text(at, line, fill=colour, font=font)  # type: ignore[attr-defined]
