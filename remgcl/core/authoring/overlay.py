"""The tower's input as a picture, with patches, padding and text regions laid over it."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from remgcl.core.authoring.inspection import Inspection, SeenRegion
from remgcl.core.parts import PatchGrid

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour: TypeAlias = tuple[int, int, int]

WIDTH = 896
"""About the longer edge of the picture in pixels."""

TAG = 18
"""Height of a region's number in pixels."""

FAR = 10_000
"""Corners farther than this from the input, in pixels, are drawn there."""

GREY, WHITE = (130, 130, 130), (255, 255, 255)
DIMMED = 0.6
"""How dark padding is, and what no patch sees."""

SHADE = 80
"""How much of a region's colour its patches have, of 255."""

COLOURS = ((230, 25, 75), (0, 110, 220), (20, 150, 60), (240, 120, 0), (150, 40, 190), (0, 150, 160), (220, 50, 200))
"""Of the regions, in turn."""


def draw_image(seen: Inspection) -> Image:
    """Draw the tower's input, enlarged: its patches, the padding dimmed, the regions with the patches they own.

    Args:
        seen: An inspected sample with an image.
    """
    from PIL import Image, ImageDraw

    if seen.example.image is None:
        raise TypeError("the sample has no image")
    (height, width), zoom, regions = seen.encoder.tower.size, zoom_of(seen.encoder.tower.size), seen.regions()
    boxes = patch_boxes(seen.encoder.tower.grid, zoom)
    pixels = Image.fromarray(seen.example.image.pixels.transpose(1, 2, 0))
    pixels = pixels.resize((width * zoom, height * zoom), Image.Resampling.BICUBIC)
    picture = Image.blend(pixels, Image.new("RGB", pixels.size), DIMMED)
    for box, shown in zip(boxes, seen.example.image.patch_mask, strict=True):
        if shown:
            picture.paste(pixels.crop(box), box)
    pen = ImageDraw.Draw(picture, "RGBA")  # blends
    for region in regions:
        for left, top, right, bottom in (boxes[patch] for patch in region.patches):
            pen.rectangle((left, top, right - 1, bottom - 1), fill=(*colour_of(region), SHADE))
    for left, top, right, bottom in boxes:
        pen.line((left, bottom - 1, right - 1, bottom - 1, right - 1, top), fill=(128, 128, 128, 110))
    for region in regions:
        pen.polygon([(x, y) for x, y in region.quad.clip(-FAR, FAR) * zoom], outline=colour_of(region), width=4)
    for region in regions:
        x, y = region.quad[0].clip(-FAR, FAR) * zoom
        draw_tag(pen, (min(max(x, 0), picture.width - TAG), min(max(y - TAG, 0), picture.height - TAG)), region)
    return picture


def patch_boxes(grid: PatchGrid, zoom: int) -> list[tuple[int, int, int, int]]:
    """Say where the patches are in the enlarged input: left, top, right and bottom.

    Args:
        grid: The patches.
        zoom: Pixels of the picture that a pixel of the input takes, each way.
    """
    across = [round(column * grid.patch[1] * zoom) for column in range(grid.columns + 1)]
    down = [round(row * grid.patch[0] * zoom) for row in range(grid.rows + 1)]
    return [(left, top, right, bottom) for top, bottom in pairwise(down) for left, right in pairwise(across)]


def zoom_of(size: tuple[int, int]) -> int:
    """Say how many pixels of the picture a pixel of the input takes, each way.

    Args:
        size: Height and width of the tower's input.
    """
    return max(1, round(WIDTH / max(size)))


def draw_tag(pen: ImageDraw, at: tuple[float, float], region: SeenRegion) -> None:
    """Draw a region's number in its colour.

    Args:
        pen: What draws.
        at: Its upper left corner.
        region: The region.
    """
    (x, y), number = at, str(region.number)
    width = max(TAG, 8 + round(font(13).getlength(number)))
    pen.rectangle((x, y, x + width - 1, y + TAG - 1), fill=colour_of(region))
    pen.text((x + width / 2, y + TAG / 2), number, fill=WHITE, font=font(13), anchor="mm")


def colour_of(region: SeenRegion) -> Colour:
    """Return the colour of a region; one that was left out is grey.

    Args:
        region: The region.
    """
    return GREY if region.reason else COLOURS[(region.number - 1) % len(COLOURS)]


@cache
def font(size: int) -> FreeTypeFont | ImageFont:
    """Return the font that comes with Pillow.

    Args:
        size: Its height in pixels.
    """
    from PIL import ImageFont

    return ImageFont.load_default(size)
