"""CLIP's vision transformer (Radford et al. 2021), the tower of LLaVA-1.5."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from attrs import frozen

from remgcl.plugins.vision_towers.hugging_face import HuggingFaceTower


@frozen(kw_only=True)
class Clip(HuggingFaceTower):
    """CLIP of transformers; patches of a hidden layer, as in LLaVA-1.5.

    Attributes:
        weights: Folder or hub id.
        layer: The hidden layer whose output is used; 0 is the embeddings, -1 the last layer.
        select: Whether the class token is left out or kept in front.
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
    """

    MODEL_TYPES: ClassVar = ("clip_vision_model", "clip")
    MEAN: ClassVar = (0.48145466, 0.4578275, 0.40821073)
    STD: ClassVar = (0.26862954, 0.26130258, 0.27577711)

    select: Literal["patch", "cls_patch"] = "patch"

    def _classes(self) -> tuple[Any, Any]:
        from transformers import CLIPVisionConfig, CLIPVisionModel

        return CLIPVisionConfig, CLIPVisionModel

    @property
    def _drops(self) -> int:
        return int(self.select == "patch")

    @property
    def _class_token(self) -> bool:
        return self.select == "cls_patch"
