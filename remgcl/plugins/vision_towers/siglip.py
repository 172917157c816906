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
        layer: The hidden layer whose output is used; 0 is the embeddings, -1 the last layer.
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
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
