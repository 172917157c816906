"""The picture of one sample: what is drawn where, and in which colour."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from attrs import evolve
from PIL import Image

from remgcl import Region, Sample
from remgcl.core.authoring.inspection import Inspection
from remgcl.core.authoring.overlay import COLOURS, TAG, draw_image
from remgcl.core.authoring.sheet import GAP, LEFT, LINE, MARGIN, MARKS, RED, RIGHT, draw_sheet
from remgcl.core.data.encode import Encoder

Ask: TypeAlias = Callable[..., Sample]
See: TypeAlias = Callable[..., Inspection]
Colour: TypeAlias = tuple[int, int, int]

BELOW = ((0.0, 20.0), (40.0, 20.0), (40.0, 30.0), (0.0, 30.0))
"""On an image of 40 x 30: the lower two rows of patches, from pixel 20 to 28 of the tower's input."""

OUTSIDE = ((50.0, 0.0), (60.0, 0.0), (60.0, 9.0), (50.0, 9.0))


def near(picture: Image.Image, colour: Colour) -> int:
    """Count the pixels of about a colour."""
    return int((np.abs(np.asarray(picture).astype(int) - colour).max(axis=2) < 12).sum())


def test_the_image_stands_on_the_left_above_the_conversation(see: See, plain: Ask) -> None:
    seen = see(plain())
    sheet, image = draw_sheet(seen), draw_image(seen)
    assert sheet.mode == "RGB"
    assert sheet.width == MARGIN + LEFT + GAP + RIGHT + MARGIN
    top = sheet.height - MARGIN - 2 * LINE - GAP - image.height  # the line break after the image makes two lines
    assert sheet.crop((MARGIN, top, MARGIN + image.width, top + image.height)).tobytes() == image.tobytes()


def test_a_longer_conversation_makes_a_longer_sheet(see: See, plain: Ask) -> None:
    short, long = (draw_sheet(see(plain(answer=text))) for text in ("yes", "word " * 200))
    assert long.width == short.width
    assert (long.height - short.height) % LINE == 0
    assert long.height > short.height + 5 * LINE


def test_without_an_image_there_is_the_conversation(see: See, ask: Ask) -> None:
    sheet = draw_sheet(see(ask(size=None)))
    assert sheet.width == MARGIN + LEFT + GAP + RIGHT + MARGIN
    assert sheet.height < LEFT
    assert near(sheet, MARKS["kept"][0]) > 100


def test_tokens_have_the_colour_of_their_mark(see: See, ask: Ask, encoder: Encoder) -> None:
    def papers(sample: Sample, chosen: Encoder = encoder) -> set[str]:
        sheet = draw_sheet(see(sample, chosen))
        words = sheet.crop((MARGIN, 0, MARGIN + LEFT, sheet.height))
        return {mark for mark, (paper, _, _) in MARKS.items() if near(words, paper) > 100}

    text = ask(size=None)
    assert papers(text) == {"given", "kept"}
    assert papers(text, evolve(encoder, keep=lambda ids: ids < 0)) == {"given", "filtered"}
    assert papers(text, evolve(encoder, keep=lambda ids: np.arange(len(ids)) < 2)) == {"given", "kept", "filtered"}
    assert papers(text, evolve(encoder, max_length=26)) == {"given", "kept", "cut"}
    with_image = see(ask())
    assert near(draw_sheet(with_image), MARKS["image"][0]) > 100


def test_a_filtered_token_is_struck_through(see: See, ask: Ask, encoder: Encoder) -> None:
    """A space has no ink of its own."""
    seen = see(ask(" " * 20, size=None), evolve(encoder, keep=lambda ids: ids < 0))
    sheet = draw_sheet(seen)
    assert near(sheet.crop((MARGIN, 0, MARGIN + LEFT, sheet.height)), MARKS["filtered"][1]) > 60


def test_every_region_has_a_line_with_its_reason_in_red_if_it_was_left_out(see: See, plain: Ask) -> None:
    good, bad = Region("a", BELOW), Region("off", OUTSIDE)

    def lines(*regions: Region) -> Image.Image:
        sheet = draw_sheet(see(plain(regions=regions)))
        return sheet.crop((MARGIN + LEFT + GAP, 0, sheet.width, sheet.height))

    assert near(lines(good, good), RED) == 0
    assert near(lines(good, bad), RED) > 20
    many = lines(*[good] * 60)
    assert many.height - lines(*[good] * 50).height == 10 * LINE
    assert near(many.crop((0, many.height - MARGIN - LINE, TAG, many.height)), COLOURS[59 % len(COLOURS)]) > TAG


def test_the_confidence_and_the_text_of_a_region_are_written(see: See, plain: Ask) -> None:
    sheets = {
        draw_sheet(see(plain(regions=(Region(text, BELOW, confidence),)))).tobytes()
        for text, confidence in (("a", 1.0), ("a", 0.5), ("b", 1.0))
    }
    assert len(sheets) == 3


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "x" * 2000,
        "\N{GRINNING FACE}\N{CJK UNIFIED IDEOGRAPH-4E2D}",
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "one\n\ntwo\tthree\r\x07",
        "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    ],
)
def test_any_text_can_be_drawn_and_stays_in_its_column(text: str, see: See, plain: Ask) -> None:
    regions = (Region(text, BELOW), Region(text, OUTSIDE))
    sample = evolve(plain(regions=regions, answer=text), id=text)
    sheet = np.asarray(draw_sheet(see(sample)))
    for edge in (slice(0, MARGIN), slice(MARGIN + LEFT, MARGIN + LEFT + GAP), slice(-MARGIN, None)):
        assert (sheet[MARGIN + 60 :, edge] == 255).all()
    assert (sheet[:MARGIN] == 255).all()
