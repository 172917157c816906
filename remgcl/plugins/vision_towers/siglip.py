"""SigLIP's vision transformer (Zhai et al. 2023)."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import frozen

from remgcl.plugins.vision_towers.hugging_face import HuggingFaceTower


@frozen(kw_only=True)
class Siglip(HuggingFaceTower):
    """SigLIP of transformers; it has no class token, so every token is a patch.

    Attributes:
        weights: Folder or hub id.
        layer: The hidden layer that gives the features; 0 is the embeddings, -1
            the last.
        size: Height and width of the input in pixels; that of the weights
            without it. Learned positions are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; that of the weights without it.
        std: Standard deviation of the input's colours; that of the weights without it.
        interpolation: How an image is resized; as the weights have it without it.
    """

    MODEL_TYPES: ClassVar = ("siglip_vision_model", "siglip")
    MEAN: ClassVar = (0.5, 0.5, 0.5)
    STD: ClassVar = (0.5, 0.5, 0.5)

    def _classes(self) -> tuple[Any, Any]:
        from transformers import SiglipVisionConfig, SiglipVisionModel

        return SiglipVisionConfig, SiglipVisionModel

    @property
    def _drops(self) -> int:
        return 0

    @property
    def _class_token(self) -> bool:
        return False
