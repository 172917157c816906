"""OCR engines that break one promise each."""

from collections.abc import Callable, Sequence
from random import Random

from attrs import frozen
from PIL.Image import Image

from remgcl import OcrEngine, Region
from remgcl.testing import conformance

chance = Random()


@frozen(kw_only=True)
class Good(OcrEngine):
    """Take the whole image for one line."""

    @property
    def version(self) -> str:
        """Name it."""
        return str(chance.random()) if type(self).__name__ == "Restless" else "whole 1"

    def build(self) -> Callable[[Image], Sequence[Region]]:
        """Make the function."""
        return self.read

    def read(self, image: Image) -> Sequence[Region]:
        """Find one line, or do something wrong."""
        name = type(self).__name__
        width, height = image.size
        if name == "Writes":
            image.putpixel((0, 0), (1, 2, 3))
        if name == "Blind":
            return []
        quad = ((0, 0), (width * (2 if name == "Outside" else 1), 0), (width, height), (0, height))
        return [Region("line", quad, chance.random() if name == "Chance" else 0.5)]


@frozen(kw_only=True)
class Restless(Good):
    """Have another version each time."""


@frozen(kw_only=True)
class Writes(Good):
    """Write into the image."""


@frozen(kw_only=True)
class Blind(Good):
    """Find nothing."""


@frozen(kw_only=True)
class Outside(Good):
    """Find a line that leaves the image."""


@frozen(kw_only=True)
class Chance(Good):
    """Be certain by chance."""


TestGood = conformance(Good())
TestRestless = conformance(Restless())
TestWrites = conformance(Writes())
TestBlind = conformance(Blind())
TestOutside = conformance(Outside())
TestChance = conformance(Chance())
