"""What the towers of timm and OpenCLIP share: features of any layer, as a grid."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from remgcl import Grid, RemgclError, TowerSpec, VisionTower

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class IntermediateTower(VisionTower):
    """A tower that gives the features of any of its layers as `[N, Dv, rows, columns]`.

    Attributes:
        model: The library's name of the architecture.
        layer: The layer (of a transformer) or stage (of a convolutional net)
            that gives the features; -1 is the last.
        select: Whether the class token is left out or kept in front.
    """

    model: str
    layer: int = -2
    select: Literal["patch", "cls_patch"] = "patch"

    @abstractmethod
    def _create(self, *, pretrained: bool) -> nn.Module:
        """Make the library's model."""

    @abstractmethod
    def _input(self, model: Any) -> tuple[tuple[int, int], tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401 - the library's model
        """Tell the input's height and width, mean and standard deviation."""

    @abstractmethod
    def _layer(self, model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ANN401 - the library's model
        """Give the layer's features `[N, Dv, rows, columns]` and its prefix tokens `[N, K, Dv]`."""

    def spec(self) -> TowerSpec:
        """Measure grid and width on a model without weights."""
        import torch

        with torch.device("meta"):
            model = self._create(pretrained=False).eval()
            size, mean, std = self._input(model)
            features, prefix = self._checked(model, torch.empty(1, 3, *size))
        _, width, rows, columns = features.shape
        if self.select == "cls_patch" and (prefix is None or prefix.shape[1] == 0):
            raise RemgclError(f"vision tower {self.model!r}: has no class token; select can only be 'patch'")
        return TowerSpec(
            width=width,
            size=size,
            grid=Grid(rows=rows, columns=columns, patch=(size[0] / rows, size[1] / columns)),
            class_token=self.select == "cls_patch",
            mean=(mean[0], mean[1], mean[2]),
            std=(std[0], std[1], std[2]),
        )

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the tower."""
        import torch
        from torch import nn

        tower, model = self, self._create(pretrained=pretrained)

        class Intermediate(nn.Module):
            """Give one layer of a model as a sequence of patches."""

            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, pixels: Tensor) -> Tensor:
                features, prefix = tower._layer(self.model, pixels)
                patches = features.flatten(2).transpose(1, 2)  # [N, P, Dv]
                if tower.select == "patch" or prefix is None:
                    return patches
                return torch.cat([prefix[:, :1], patches], dim=1)

        return Intermediate()

    def _checked(self, model: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        try:
            return self._layer(model, pixels)
        except (AttributeError, AssertionError, IndexError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise RemgclError(f"vision tower {self.model!r}: gives no layer {self.layer}; {reason}") from error
