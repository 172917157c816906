"""A vision tower for remgcl: a small ConvNeXt for wide images, such as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import deep_iterable, ge, min_len
from remgcl import PatchGrid, TowerSpec, VisionTower, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

REMGCL_API = 1

STEM = 4
"""Height and width of the pieces that the stem cuts an image into."""


@frozen(kw_only=True)
class ConvNextTower(VisionTower):
    """A ConvNeXt with random weights, for images of any shape (Liu et al. 2022, section 2).

    The stem cuts the image into pieces of 4 x 4 pixels; each further stage
    halves both sides. A stage is blocks of a depthwise convolution of 7 x 7, a
    layer normalisation, and two pointwise maps with GELU between them.

    Attributes:
        size: Height and width of the input in pixels; what the patches do not
            divide is seen by none.
        widths: Channels of each stage; the last is the width.
        blocks: Blocks of each stage.
    """

    size: tuple[int, int] = field(default=(64, 192), validator=deep_iterable(ge(32)))
    widths: tuple[int, ...] = field(default=(24, 48), validator=[min_len(1), deep_iterable(ge(1))])
    blocks: int = field(default=1, validator=ge(1))

    def spec(self) -> TowerSpec:
        """Declare the grid, and the colours of ImageNet."""
        patch = STEM * 2 ** (len(self.widths) - 1)
        return TowerSpec(
            width=self.widths[-1],
            size=self.size,
            grid=PatchGrid(rows=self.size[0] // patch, columns=self.size[1] // patch, patch=(patch, patch)),
            class_token=False,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
        )

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Return the net; its weights are random either way."""
        del pretrained
        from torch import nn

        class Norm(nn.LayerNorm):
            """Layer normalisation of the channels `[N, C, H, W]`."""

            def forward(self, maps: Tensor) -> Tensor:
                return super().forward(maps.movedim(1, -1)).movedim(-1, 1)

        class Block(nn.Module):
            """What a block adds to its input."""

            def __init__(self, width: int) -> None:
                super().__init__()
                self.layers = nn.Sequential(
                    nn.Conv2d(width, width, 7, padding=3, groups=width),
                    Norm(width),
                    nn.Conv2d(width, 4 * width, 1),
                    nn.GELU(),
                    nn.Conv2d(4 * width, width, 1),
                )

            def forward(self, maps: Tensor) -> Tensor:
                added: Tensor = self.layers(maps)
                return maps + added

        class Tower(nn.Module):
            """The stages; rows of patches come out."""

            def __init__(self, layers: list[nn.Module]) -> None:
                super().__init__()
                self.layers = nn.Sequential(*layers)

            def forward(self, pixels: Tensor) -> Tensor:
                maps: Tensor = self.layers(pixels)  # [N, Dv, rows, columns]
                return maps.flatten(2).transpose(1, 2)  # [N, P, Dv]

        first, *_ = self.widths
        layers: list[nn.Module] = [nn.Conv2d(3, first, STEM, stride=STEM), Norm(first)]
        layers += [Block(first) for _ in range(self.blocks)]
        for before, after in pairwise(self.widths):
            layers += [Norm(before), nn.Conv2d(before, after, 2, stride=2)]
            layers += [Block(after) for _ in range(self.blocks)]
        return Tower([*layers, Norm(self.widths[-1])])


@hookimpl
def remgcl_register_vision_towers() -> Mapping[str, type[VisionTower]]:
    """Name the vision tower."""
    return {"convnext-tower": ConvNextTower}
