"""SigLIP's vision transformer (Zhai et al. 2023)."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import frozen

from remgcl.plugins.vision_towers.hugging_face import HuggingFaceTower


@frozen(kw_only=True)
class Siglip(HuggingFaceTower):
    """SigLIP of transformers; it has no class token, so every token is a patch."""

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
