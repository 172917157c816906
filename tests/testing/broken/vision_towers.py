"""Vision towers that break one promise each."""

from attrs import evolve, frozen
from torch import Tensor, nn

from remgcl import PatchGrid, TowerSpec, VisionTower
from remgcl.testing import conformance


class Patches(nn.Module):
    """One convolution."""

    def __init__(self, rows: int) -> None:
        """Begin at random."""
        super().__init__()
        self.rows = rows
        self.convolution = nn.Conv2d(3, 4, 8, 8)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give some rows of patches."""
        features: Tensor = self.convolution(pixels)[:, :, : self.rows]
        return features.flatten(2).transpose(1, 2)


@frozen(kw_only=True)
class Good(VisionTower):
    """Cut 16 x 24 pixels into 2 x 3 patches."""

    def spec(self) -> TowerSpec:
        """Declare them."""
        half = (0.5, 0.5, 0.5)
        grid = PatchGrid(rows=2, columns=3, patch=(8, 8))
        return TowerSpec(width=4, size=(16, 24), grid=grid, class_token=False, mean=half, std=half)

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the convolution."""
        del pretrained
        return Patches(2)


@frozen(kw_only=True)
class Short(Good):
    """Give one row of patches."""

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the convolution."""
        del pretrained
        return Patches(1)


@frozen(kw_only=True)
class Outside(Good):
    """Declare patches that leave the input."""

    def spec(self) -> TowerSpec:
        """Declare them."""
        return evolve(super().spec(), grid=PatchGrid(rows=2, columns=3, patch=(16, 8)))


@frozen(kw_only=True)
class Bytes(Good):
    """Declare colours from 0 to 255."""

    def spec(self) -> TowerSpec:
        """Declare them."""
        return evolve(super().spec(), mean=(127.5, 127.5, 127.5))


@frozen(kw_only=True)
class Restorable(Good):
    """Say that random weights can be had again."""

    @property
    def restorable(self) -> bool:
        """Say so."""
        return True


TestGood = conformance(Good())
TestShort = conformance(Short())
TestOutside = conformance(Outside())
TestBytes = conformance(Bytes())
TestRestorable = conformance(Restorable())
