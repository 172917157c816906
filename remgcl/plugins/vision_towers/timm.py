"""Any vision tower of timm, transformer or convolutional (Wightman 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from remgcl import RemgclError, listed, reading_weights
from remgcl.plugins.vision_towers.intermediate import IntermediateTower, has_class_token
from remgcl.plugins.vision_towers.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class Timm(IntermediateTower):
    """Any model of timm that can return its intermediate layers.

    Attributes:
        model: timm's name of the model, such as ``vit_base_patch16_224``.
        pretrained: Whether to load timm's weights.
        weights: A file of weights to load instead.
        layer: The layer (of a transformer) or stage (of a convolutional net) whose output is used; -1 is the last.
        select: Whether the class token is left out or kept in front.
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
    """

    requires: ClassVar[Mapping[str, str]] = {"timm": "remgcl[timm]"}

    pretrained: bool = False
    weights: str | None = None

    @property
    def restorable(self) -> bool:
        """Whether there are weights to read each time."""
        return self.pretrained or self.weights is not None

    def verify(self) -> None:
        """Verify that the file of weights exists."""
        if self.weights is not None:
            with reading_weights(self.weights):
                Path(self.weights).stat()

    def _create(self, *, pretrained: bool) -> nn.Module:
        import timm

        if not timm.is_model(self.model):
            near = get_close_matches(self.model, timm.list_models(), n=3)
            raise RemgclError(f"vision tower: timm has no model {self.model!r}; the nearest are {listed(near)}")
        file = self.weights if pretrained else None
        with reading_weights(file or self.model):
            model = self._made(pretrained=pretrained and self.pretrained and not file)
            if file:
                _load(model, file)
            return model

    def _made(self, *, pretrained: bool) -> nn.Module:
        """Make the model for its own size or the recipe's; a convolutional net takes any."""
        import timm

        if self.size is not None:
            try:
                return timm.create_model(  # type: ignore[no-any-return]
                    self.model, pretrained=pretrained, num_classes=0, img_size=self.size
                )
            except TypeError as error:
                if "img_size" not in str(error):
                    raise
        return timm.create_model(self.model, pretrained=pretrained, num_classes=0)  # type: ignore[no-any-return]

    def _input(self, model: Any) -> Preprocessing:  # noqa: ANN401 - timm's model
        from timm.data import resolve_model_data_config

        config = resolve_model_data_config(model)
        _, rows, columns = config["input_size"]
        return Preprocessing(
            size=(rows, columns), mean=config["mean"], std=config["std"], interpolation=config["interpolation"]
        )

    def _layer(self, model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ANN401 - timm's model
        options = {"return_prefix_tokens": True} if has_class_token(model) else {}
        (given,) = model.forward_intermediates(
            pixels, indices=[self.layer], stop_early=True, intermediates_only=True, output_fmt="NCHW", **options
        )
        return (given[0], given[1][:, :1]) if options else (given, None)


def _load(model: nn.Module, file: str) -> None:
    """Load a file of weights; it may hold a classifier too, which is left out."""
    from timm.models import load_checkpoint

    found = load_checkpoint(model, file, strict=False, weights_only=True)
    if found and found.missing_keys:
        raise ValueError(
            f"it lacks {len(found.missing_keys)} tensors of the tower, the first {found.missing_keys[0]!r}"
        )
