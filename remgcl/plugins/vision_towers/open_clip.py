"""Any vision tower of OpenCLIP (Ilharco et al. 2021)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl import RemgclError, listed, reading_weights
from remgcl.plugins.vision_towers.intermediate import IntermediateTower

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class OpenClip(IntermediateTower):
    """Any image encoder of OpenCLIP.

    Attributes:
        model: OpenCLIP's name of the architecture, such as ``ViT-L-14``.
        pretrained: A tag of OpenCLIP's weights or a file of weights; random
            weights without it.
        layer: The layer (of a transformer) or stage (of a convolutional net)
            that gives the features; -1 is the last.
        select: Whether the class token is left out or kept in front.
    """

    pretrained: str | None = None

    @property
    def restorable(self) -> bool:
        """Whether there are weights to read each time."""
        return self.pretrained is not None

    def _create(self, *, pretrained: bool) -> nn.Module:
        import open_clip

        if self.model not in open_clip.list_models():
            near = get_close_matches(self.model, open_clip.list_models(), n=3)
            raise RemgclError(f"vision tower: OpenCLIP has no model {self.model!r}; the nearest are {listed(near)}")
        with reading_weights(f"{self.model}:{self.pretrained}"):
            return open_clip.create_model(  # type: ignore[no-any-return]
                self.model, pretrained=self.pretrained if pretrained else None
            ).visual

    def _input(self, model: Any) -> tuple[tuple[int, int], tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401 - OpenCLIP's model
        import open_clip
        from open_clip.pretrained import get_pretrained_cfg

        size = model.image_size
        known = get_pretrained_cfg(self.model, self.pretrained) if self.pretrained else {}
        mean = known.get("mean") or model.image_mean or open_clip.OPENAI_DATASET_MEAN
        std = known.get("std") or model.image_std or open_clip.OPENAI_DATASET_STD
        return (size, size) if isinstance(size, int) else tuple(size), mean, std

    def _layer(self, model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ANN401 - OpenCLIP's model
        given = model.forward_intermediates(
            pixels, indices=[self.layer], stop_early=True, intermediates_only=True, output_extra_tokens=True
        )
        prefix = given.get("image_intermediates_prefix")
        return given["image_intermediates"][0], prefix[0] if prefix else None
