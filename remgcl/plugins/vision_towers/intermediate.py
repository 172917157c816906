"""What the towers of timm and OpenCLIP share: features of any layer, as a grid."""

from __future__ import annotations

from abc import abstractmethod
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from remgcl import PatchGrid, RemgclError, TowerSpec
from remgcl.plugins.vision_towers.preprocessing import PreprocessedTower, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class IntermediateTower(PreprocessedTower):
    """A tower that returns the features of any of its layers as `[N, Dv, rows, columns]`.

    Attributes:
        model: The library's name of the architecture.
        layer: The layer (of a transformer) or stage (of a convolutional net) whose output is used; -1 is the last.
        select: Whether the class token is left out or kept in front.
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
    """

    model: str
    layer: int = -2
    select: Literal["patch", "cls_patch"] = "patch"

    @abstractmethod
    def _create(self, *, pretrained: bool) -> nn.Module:
        """Make the library's model."""

    @abstractmethod
    def _input(self, model: Any) -> Preprocessing:  # noqa: ANN401 - the library's model
        """Return the input that the weights were trained with."""

    @abstractmethod
    def _layer(self, model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ANN401 - the library's model
        """Return the layer's features `[N, Dv, rows, columns]` and its class token `[N, 1, Dv]`, if it has one."""

    def spec(self) -> TowerSpec:
        """Measure grid and width on a model without weights."""
        import torch

        with torch.device("meta"):
            model = self._create(pretrained=False).eval()
            chosen = self.chosen(self._input(model))
            features, class_token = self._checked(model, torch.empty(1, 3, *chosen.size))
        _, width, rows, columns = features.shape
        if self.select == "cls_patch" and class_token is None:
            raise RemgclError(f"vision tower {self.model!r}: has no class token; select can only be 'patch'")
        return TowerSpec(
            width=width,
            size=chosen.size,
            grid=PatchGrid(rows=rows, columns=columns, patch=_patch(model, chosen.size, (rows, columns))),
            class_token=self.select == "cls_patch",
            mean=chosen.mean,
            std=chosen.std,
            interpolation=chosen.interpolation,
        )

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the tower."""
        import torch
        from torch import nn

        tower, model = self, self._create(pretrained=pretrained)

        class Intermediate(nn.Module):
            """Return one layer of a model as a sequence of patches."""

            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, pixels: Tensor) -> Tensor:
                features, class_token = tower._layer(self.model, pixels)
                patches = features.flatten(2).transpose(1, 2)  # [N, P, Dv]
                if tower.select == "patch" or class_token is None:
                    return patches
                return torch.cat([class_token, patches], dim=1)

        return Intermediate()

    def _checked(self, model: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        try:
            return self._layer(model, pixels)
        except (AttributeError, AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise RemgclError(f"vision tower {self.model!r}: has no layer {self.layer}; {reason}") from error


def has_class_token(model: Any) -> bool:  # noqa: ANN401 - timm's model
    """Return whether the layers of a timm model return a class token first.

    Other tokens may stand in front of the patches too, such as registers.

    Args:
        model: The model.
    """
    if "return_prefix_tokens" not in signature(model.forward_intermediates).parameters:
        return False
    return getattr(model, "has_class_token", getattr(model, "cls_token", None) is not None)


def _patch(model: Any, size: tuple[int, int], grid: tuple[int, int]) -> tuple[float, float]:  # noqa: ANN401 - the library's model
    """Return height and width of a patch: as the model cuts them, or an even share of the input."""
    trunk = getattr(model, "trunk", model)  # OpenCLIP's wrapper of timm's models
    cut = getattr(getattr(trunk, "patch_embed", trunk), "patch_size", None)
    if isinstance(cut, tuple) and (size[0] // cut[0], size[1] // cut[1]) == grid:
        return cut
    return size[0] / grid[0], size[1] / grid[1]
