"""What PP-OCR finds, as regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from remgcl import Region


def regions(quads: Iterable[Sequence[Sequence[float]]], texts: Iterable[str], scores: Iterable[float]) -> list[Region]:
    """Join places, texts and scores; a line without a text is left out.

    Args:
        quads: Four corners of each line.
        texts: The texts of the lines.
        scores: Certainty of each text; rounding may take it out of 0 to 1.
    """
    found = []
    for quad, text, score in zip(quads, texts, scores, strict=True):
        first, second, third, fourth = ((float(x), float(y)) for x, y in quad)
        if text.strip():
            found.append(Region(text, (first, second, third, fourth), min(max(float(score), 0.0), 1.0)))
    return found
