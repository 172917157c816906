r"""One sample as a picture: on the left what the tower and the language model see, on the right the figures.

The font is the one that comes with Pillow. It holds ASCII; any other character
is written as an escape, such as `\u4e2d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from remgcl.core.authoring.inspection import Inspection, SeenRegion
from remgcl.core.authoring.overlay import COLOURS, DIMMED, GREY, SHADE, WHITE, WIDTH, Colour, draw_image, draw_tag, font
from remgcl.core.evaluation.picture import INK, RED

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

MARGIN, GAP = 32, 24
LEFT, RIGHT = WIDTH, 520
"""Width of the left column, at least, and of the right one, in pixels."""

LINE, CHIP = 26, 22
"""Height of a line and of a token in it, in pixels."""

PALE = (242, 242, 242)

MARKS: dict[str, tuple[Colour, Colour, str]] = {
    "kept": ((196, 236, 204), INK, "learned"),
    "filtered": ((255, 217, 168), (150, 85, 10), "learned, left out by the text filter"),
    "given": (PALE, GREY, "read, not learned"),
    "image": ((40, 70, 130), WHITE, "place of the image"),
    "cut": (RED, WHITE, "longer than max_length"),
}
"""Background, ink and meaning of what becomes of a token."""


def draw_sheet(seen: Inspection) -> Image:
    """Draw a sample.

    Args:
        seen: The inspected sample.
    """
    image = [draw_image(seen)] if seen.example.image else []
    width = max([LEFT, *(part.width for part in image)])
    left = _stack([*image, _conversation(seen, width)])
    right = _stack([_facts(seen), _legend(seen), _regions(seen.regions())])
    title = _title(seen, width + GAP + RIGHT)
    top = MARGIN + title.height
    picture, _ = _blank(2 * MARGIN + title.width, top + max(left.height, right.height) + MARGIN)
    picture.paste(title, (MARGIN, MARGIN))
    picture.paste(left, (MARGIN, top))
    picture.paste(right, (MARGIN + width + GAP, top))
    return picture


def _title(seen: Inspection, width: int) -> Image:
    block, pen = _blank(width, 50)
    _write(pen, (0, 0), f"{seen.recipe} / {seen.stage} / {seen.sample.id}", width=width, size=28)
    return block


def _facts(seen: Inspection) -> Image:
    facts = seen.facts()
    block, pen = _blank(RIGHT, LINE * len(facts))
    for place, (fact, value) in enumerate(facts.items()):
        _write(pen, (0, place * LINE), fact, GREY)
        _write(pen, (116, place * LINE), value, width=RIGHT - 116)
    return block


def _regions(regions: Sequence[SeenRegion]) -> Image:
    """List the regions: number, text, confidence, and how many patches or why none."""
    block, pen = _blank(RIGHT, LINE * (len(regions) + 1) if regions else 0)
    for x, name, anchor in ((40, "region", "la"), (360, "confidence", "ra"), (RIGHT, "patches", "ra")):
        _write(pen, (x, 0), name, GREY, anchor=anchor)
    for place, each in enumerate(regions, start=1):
        ink = GREY if each.reason else INK
        draw_tag(pen, (0, place * LINE + 1), each)
        _write(pen, (40, place * LINE), each.region.text, ink, width=220)
        _write(pen, (360, place * LINE), f"{each.region.confidence:.2f}", ink, anchor="ra")
        label = f"left out: {each.reason}" if each.reason else str(len(each.patches))
        _write(pen, (RIGHT, place * LINE), label, RED if each.reason else INK, anchor="ra")
    return block


def _legend(seen: Inspection) -> Image:
    """Explain the marks of patches and tokens that occur."""
    marks = [mark for mark in MARKS if mark in {mark for _, mark in _tokens(seen)}]
    patches = [((*COLOURS[0], SHADE), "patch of a region")] * any(region.patches for region in seen.regions())
    if seen.example.image and not seen.example.image.patch_mask.all():
        patches.append(((0, 0, 0, round(255 * DIMMED)), "patch of padding"))
    block, pen = _blank(RIGHT, LINE * (len(patches) + len(marks)))
    for place, (colour, meaning) in enumerate(patches):
        pen.rectangle((0, place * LINE, 46, place * LINE + CHIP - 1), fill=colour)
        _write(pen, (60, place * LINE), meaning)
    for place, mark in enumerate(marks, start=len(patches)):
        _chip(pen, (0, place * LINE), "token", mark)
        _write(pen, (60, place * LINE), MARKS[mark][2])
    return block


def _conversation(seen: Inspection, width: int) -> Image:
    """Write the conversation token by token."""
    placed: list[tuple[tuple[int, int], str, str]] = []
    x = y = 0
    for text, mark in _tokens(seen):
        shown = _cut(_plain(text), width - 4)
        if x and x + _chip_width(shown) > width:
            x, y = 0, y + LINE
        placed.append(((x, y), shown, mark))
        x += _chip_width(shown) + 1
        if text.endswith("\n"):
            x, y = 0, y + LINE
    block, pen = _blank(width, placed[-1][0][1] + LINE)
    for at, shown, mark in placed:
        _chip(pen, at, shown, mark)
    return block


def _tokens(seen: Inspection) -> list[tuple[str, str]]:
    """Return the tokens with their marks, and a last one for what was cut."""
    cut = seen.example.tokens.cut
    return [*seen.tokens(), *([(f"<{cut} tokens cut>", "cut")] if cut else [])]


def _chip(pen: ImageDraw, at: tuple[int, int], text: str, mark: str) -> None:
    """Draw a token."""
    (x, y), (paper, ink, _), width = at, MARKS[mark], _chip_width(text)
    pen.rectangle((x, y, x + width - 1, y + CHIP - 1), fill=paper)
    pen.text((x + 2, y), text, fill=ink, font=font(16))
    if mark == "filtered":
        pen.line((x, y + CHIP // 2 + 1, x + width - 1, y + CHIP // 2 + 1), fill=ink)


def _chip_width(text: str) -> int:
    return 4 + round(font(16).getlength(text))


def _write(  # noqa: PLR0913 - how a text is written
    pen: ImageDraw,
    at: tuple[int, int],
    text: str,
    ink: Colour = INK,
    *,
    width: int = RIGHT,
    size: int = 16,
    anchor: str = "la",
) -> None:
    """Write one line, cut to a width; the font's space is narrow."""
    pen.text(at, _cut(_plain(text).replace(" ", "  "), width, size), fill=ink, font=font(size), anchor=anchor)


def _plain(text: str) -> str:
    """Write a text in the font's characters, on one line."""
    return text.replace("\n", "\\n").replace("\t", "\\t").encode("ascii", "backslashreplace").decode()


def _cut(line: str, width: int, size: int = 16) -> str:
    """Cut a line that is wider than its place."""
    if font(size).getlength(line) <= width:
        return line
    line = line[:width]
    while line and font(size).getlength(f"{line}...") > width:
        line = line[:-1]
    return f"{line}..."


def _blank(width: int, height: int) -> tuple[Image, ImageDraw]:
    """Make a white picture, and a pen that blends."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), WHITE)
    return picture, ImageDraw.Draw(picture, "RGBA")


def _stack(blocks: Sequence[Image]) -> Image:
    """Put blocks below each other; those without height take no place."""
    shown = [block for block in blocks if block.height]
    stack, _ = _blank(max(block.width for block in shown), sum(block.height + GAP for block in shown) - GAP)
    top = 0
    for block in shown:
        stack.paste(block, (0, top))
        top += block.height + GAP
    return stack
