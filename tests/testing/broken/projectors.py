"""Projectors that break one promise each."""

import torch
from attrs import frozen
from torch import Tensor, nn

from remgcl import Projector, RemgclError
from remgcl.testing import conformance


class Map(nn.Module):
    """A linear map, and ways to spoil it."""

    def __init__(self, width_in: int, width_out: int, broken: str = "") -> None:
        """Begin at random."""
        super().__init__()
        self.map = nn.Linear(width_in, width_out)
        self.lost = torch.rand(())
        self.broken = broken

    def forward(self, features: Tensor) -> Tensor:
        """Map, and spoil."""
        if self.broken == "features":
            features = features.detach()
        answer: Tensor = self.map(features)
        spoilt = {
            "noise": lambda: answer + torch.rand_like(answer),
            "rows": lambda: answer + answer.mean(),
            "detached": lambda: features.sum() + answer.detach(),
            "lost": lambda: answer + self.lost,
            "shape": lambda: answer[..., :1] if len(features) == 0 else answer,
        }
        return spoilt.get(self.broken, lambda: answer)()


@frozen(kw_only=True)
class Good(Projector):
    """Map the patches."""

    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Make the map."""
        return Map(width_in, width_out, type(self).__name__.lower())


@frozen(kw_only=True)
class Noise(Good):
    """Add noise."""


@frozen(kw_only=True)
class Rows(Good):
    """Let images look at each other."""


@frozen(kw_only=True)
class Detached(Good):
    """Cut the gradients to the parameters."""


@frozen(kw_only=True)
class Lost(Good):
    """Keep a number out of its state."""


@frozen(kw_only=True)
class Shape(Good):
    """Lose the width where there is no image."""


@frozen(kw_only=True)
class Features(Good):
    """Cut the gradients to the vision tower."""


@frozen(kw_only=True)
class Miscounts(Good):
    """Count one parameter too many."""

    def parameters(self, width_in: int, width_out: int) -> int:
        """Count."""
        if width_in < 0:
            raise RemgclError("no width")
        return (width_in + 1) * width_out + 1


@frozen(kw_only=True)
class Refuses(Good):
    """Refuse a width by an error of Python."""

    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Make the map, unless widths are equal."""
        if width_in == width_out:
            raise ValueError("equal")
        return super().build(width_in, width_out)


TestGood = conformance(Good())
TestNoise = conformance(Noise())
TestRows = conformance(Rows())
TestDetached = conformance(Detached())
TestLost = conformance(Lost())
TestShape = conformance(Shape())
TestFeatures = conformance(Features())
TestMiscounts = conformance(Miscounts())
TestRefuses = conformance(Refuses())
