"""What every OCR engine promises: lines of text, where they stand in the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from remgcl.core.parts import OcrEngine
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.regions import fault_of

if TYPE_CHECKING:
    from PIL.Image import Image

WORDS = "HELLO 4217"


class Checks(PartChecks):
    """What every OCR engine promises."""

    def test_its_version_is_a_text_that_stays(self, part: OcrEngine) -> None:
        """The version is a text that identifies the engine, as a cache of regions belongs to one version."""
        one, other = part.version, part.version
        if not isinstance(one, str) or not one.strip() or one != other:
            raise broken(
                part, f"version: is {one!r}, then {other!r}; name the library and its models, each with its version"
            )

    def test_it_finds_lines_of_text(self, part: OcrEngine) -> None:
        """It finds large black letters on white."""
        if not part.build()(_drawn()):
            raise broken(part, f"finds nothing in an image of the words {WORDS!r}; return a Region for each line")

    def test_its_lines_lie_in_the_image(self, part: OcrEngine) -> None:
        """A line has a text, four corners in pixels of the image, clockwise, and a confidence from 0 to 1."""
        read = part.build()
        for image in _images():
            for region in read(image):
                fault = fault_of(region, image.size)
                if fault:
                    raise broken(part, f"an image of {image.width} x {image.height}: region {region.text!r}: {fault}")

    def test_it_reads_the_same_each_time(self, part: OcrEngine) -> None:
        """The same image always has the same lines."""
        read = part.build()
        if [*read(_drawn())] != [*read(_drawn())]:
            raise broken(part, "reads the same image differently each time; remove randomness")

    def test_the_image_stays_as_it_is(self, part: OcrEngine) -> None:
        """The image is not changed, as its digest identifies its regions."""
        image = _drawn()
        before = image.tobytes()
        part.build()(image)
        if image.tobytes() != before:
            raise broken(part, "changes the image; draw on a copy")


def _images() -> Iterator[Image]:
    """Return an image with words, and images without: usual, narrow and low."""
    import PIL.Image

    yield _drawn()
    for size in ((40, 30), (200, 5), (9, 200)):
        yield PIL.Image.new("RGB", size, "white")


def _drawn() -> Image:
    import PIL.Image
    from PIL import ImageDraw, ImageFont

    image = PIL.Image.new("RGB", (400, 120), "white")
    ImageDraw.Draw(image).text((30, 40), WORDS, font=ImageFont.load_default(40), fill="black")
    return image
