"""Any vision tower of OpenCLIP (Ilharco et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from remgcl import RemgclError, WeightsError, listed, reading_weights
from remgcl.plugins.vision_towers.intermediate import IntermediateTower, has_class_token
from remgcl.plugins.vision_towers.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class OpenClip(IntermediateTower):
    """Any image encoder of OpenCLIP.

    Attributes:
        model: OpenCLIP's name of the architecture, such as ``ViT-L-14``.
        pretrained: A tag of OpenCLIP's weights or a file of weights; by default weights are random.
        layer: The layer (of a transformer) or stage (of a convolutional net) whose output is used; -1 is the last.
        select: Whether the class token is left out or kept in front.
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
    """

    requires: ClassVar[Mapping[str, str]] = {"open_clip": "remgcl[open-clip]"}

    pretrained: str | None = None

    @property
    def restorable(self) -> bool:
        """Whether there are weights to read each time."""
        return self.pretrained is not None

    def verify(self) -> None:
        """Verify that OpenCLIP knows the weights, or that they are a file."""
        from open_clip.pretrained import is_pretrained_cfg, list_pretrained_tags_by_model

        given = self.pretrained
        if given is not None and not is_pretrained_cfg(self.model, given) and not Path(given).is_file():
            known = list_pretrained_tags_by_model(self.model)
            raise WeightsError(
                f"weights {given!r}: neither a file nor known to OpenCLIP for {self.model!r}; there is {listed(known)}"
            )

    def _create(self, *, pretrained: bool) -> nn.Module:
        import open_clip
        import torch

        if self.model not in open_clip.list_models():
            near = get_close_matches(self.model, open_clip.list_models(), n=3)
            raise RemgclError(f"vision tower: OpenCLIP has no model {self.model!r}; the nearest are {listed(near)}")
        weights = self.pretrained if pretrained else None
        with reading_weights(weights or self.model):
            return open_clip.create_model(  # type: ignore[no-any-return]
                self.model, pretrained=weights, device=torch.get_default_device(), force_image_size=self.size
            ).visual

    def _input(self, model: Any) -> Preprocessing:  # noqa: ANN401 - OpenCLIP's model
        """Read the input of the chosen tag; else that on which all tags of the architecture agree; else CLIP's."""
        from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

        settings: dict[str, Any] = {**model.preprocess_cfg}
        tagged = self.pretrained is not None and get_pretrained_cfg(self.model, self.pretrained)
        tags = [self.pretrained] if tagged else list_pretrained_tags_by_model(self.model)
        known = [get_pretrained_cfg(self.model, tag) for tag in tags]
        for key in ("mean", "std", "interpolation"):
            values = {tuple(value) if isinstance(value := one.get(key), list) else value for one in known}
            if len(values) == 1 and (value := values.pop()) is not None:
                settings[key] = value
        size = model.image_size
        return Preprocessing(
            size=(size, size) if isinstance(size, int) else tuple(size),
            mean=tuple(settings["mean"]),
            std=tuple(settings["std"]),
            interpolation=settings["interpolation"],
        )

    def _layer(self, model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ANN401 - OpenCLIP's model
        given = model.forward_intermediates(
            pixels,
            indices=[self.layer],
            stop_early=True,
            intermediates_only=True,
            output_extra_tokens=not hasattr(model, "trunk") or has_class_token(model.trunk),
        )
        prefix = given.get("image_intermediates_prefix")
        return given["image_intermediates"][0], prefix[0][:, :1] if prefix else None
