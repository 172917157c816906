"""Datasets that break one promise each."""

import threading
from collections.abc import Sequence
from random import Random
from typing import Any

from attrs import evolve, frozen
from PIL import Image

from remgcl import Census, Dataset, Region, Sample, Samples, Turn
from remgcl.testing import conformance

chance = Random()


class Two:
    """A sample with an image, and one without; something of them may be wrong."""

    def __init__(self, broken: str) -> None:
        """Remember what is to be wrong."""
        self.broken = broken
        if broken == "Locked":
            self.lock = threading.Lock()

    def __len__(self) -> int:
        """Count them."""
        return 2

    def __getitem__(self, index: int) -> Sample:
        """Give one, and spoil it."""
        if index == 1:
            return Sample("two", (Turn("user", "Hello."), Turn("assistant", "Hi!")))
        region = Region("red", ((0, 0), (4, 0), (4, 2), (0, 2)), 0.5)
        turns = (Turn("user", "What is it?", image=True), Turn("assistant", "A colour."))
        sample = Sample("one", turns, Image.new("RGB", (6, 4)), (region,))
        spoilt: dict[str, dict[str, Any]] = {
            "Silent": {"turns": turns[:1]},
            "Mute": {"turns": (turns[0], Turn("assistant", ""))},
            "Hidden": {"turns": (Turn("user", "What is it?"), turns[1])},
            "Grey": {"image": Image.new("L", (6, 4))},
            "Outside": {"regions": (evolve(region, quad=((0, 0), (9, 0), (9, 2), (0, 2))),)},
            "Sure": {"regions": (evolve(region, confidence=1.5),)},
            "Blank": {"regions": (evolve(region, text=" "),)},
            "Mirrored": {"regions": (evolve(region, quad=region.quad[::-1]),)},
            "Chance": {"id": f"one {chance.random()}"},
        }
        return evolve(sample, **spoilt.get(self.broken, {}))

    def modality_lengths(self) -> Sequence[int]:
        """Give their lengths."""
        return {"Long": [5, -2, -2], "Unsigned": [-5, 2]}.get(self.broken, [5, -2])


@frozen(kw_only=True)
class Good(Dataset):
    """Two samples."""

    def census(self) -> Census:
        """Count them."""
        name = type(self).__name__
        digest = str(chance.random()) if name == "Restless" else "two"
        return Census(samples=3 if name == "Miscounts" else 2, images=1, digest=digest, words=(5,))

    def build(self) -> Samples:
        """Make them."""
        return Two(type(self).__name__)


NAMES = ("Miscounts", "Restless", "Silent", "Mute", "Hidden", "Grey", "Outside", "Sure", "Blank", "Mirrored")
TestGood = conformance(Good())
for name in (*NAMES, "Chance", "Long", "Unsigned", "Locked"):
    spoilt = frozen(kw_only=True)(type(name, (Good,), {"__doc__": "Spoil something.", "__module__": __name__}))
    globals()[name] = spoilt
    globals()[f"Test{name}"] = conformance(spoilt())
