"""Any vision tower of timm, transformer or convolutional (Wightman 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from remgcl import RemgclError, listed, reading_weights
from remgcl.plugins.vision_towers.intermediate import IntermediateTower, has_class_token

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class Timm(IntermediateTower):
    """Any model of timm that gives its intermediate layers.

    Attributes:
        model: timm's name of the model, such as ``vit_base_patch16_224``.
        pretrained: Whether to load timm's weights.
        weights: A file of weights to load instead.
        layer: The layer (of a transformer) or stage (of a convolutional net)
            that gives the features; -1 is the last.
        select: Whether the class token is left out or kept in front.
    """

    requires: ClassVar[Mapping[str, str]] = {"timm": "remgcl[timm]"}

    pretrained: bool = False
    weights: str | None = None

    @property
    def restorable(self) -> bool:
        """Whether there are weights to read each time."""
        return self.pretrained or self.weights is not None

    def verify(self) -> None:
        """Make sure that the file of weights exists."""
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
            model = timm.create_model(self.model, pretrained=pretrained and self.pretrained and not file, num_classes=0)
            if file:
                _load(model, file)
            return model  # type: ignore[no-any-return]

    def _input(self, model: Any) -> tuple[tuple[int, int], tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401 - timm's model
        from timm.data import resolve_model_data_config

        config = resolve_model_data_config(model)
        return tuple(config["input_size"][1:]), config["mean"], config["std"]

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
