"""What a region of text must be, whoever found it."""

from __future__ import annotations

from itertools import pairwise

from remgcl.core.samples import Region

CORNERS = 4

SLACK = 1.0
"""Pixels that a corner may lie outside of its image, by rounding."""


def fault_of(region: Region, size: tuple[int, int]) -> str:
    """Describe what is wrong with a region; nothing if it is good.

    Args:
        region: The region.
        size: Width and height of its image in pixels.
    """
    if not isinstance(region.text, str) or not region.text.strip():
        return "has no text; leave it out"
    if not 0 <= region.confidence <= 1:
        return f"has the confidence {region.confidence!r}; give one from 0 to 1"
    if len(region.quad) != CORNERS:
        return f"has {len(region.quad)} corners; there must be four"
    for corner in region.quad:
        if not all(-SLACK <= at <= edge + SLACK for at, edge in zip(corner, size, strict=True)):
            return f"the corner {corner} lies outside of {size[0]} x {size[1]}; give pixels of the original image"
    closed = (*region.quad, region.quad[0])
    area = sum(left * below - right * above for (left, above), (right, below) in pairwise(closed))
    if area <= 0:
        return f"the corners {region.quad} are not clockwise; begin with the text's upper left"
    return ""
