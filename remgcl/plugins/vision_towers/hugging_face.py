"""What the towers of transformers share: configuration, weights, hidden layers."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from remgcl import PatchGrid, TowerSpec, WeightsError, listed, read_json, reading_weights, verify_weights
from remgcl.plugins.vision_towers.image_processor import read_preprocessing
from remgcl.plugins.vision_towers.preprocessing import Colour, PreprocessedTower, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class HuggingFaceTower(PreprocessedTower):
    """A vision transformer of transformers.

    Attributes:
        weights: Folder or hub id.
        layer: The hidden layer whose output is used; 0 is the embeddings, -1 the last layer.
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
    """

    MODEL_TYPES: ClassVar[tuple[str, ...]]
    MEAN: ClassVar[Colour]
    STD: ClassVar[Colour]

    weights: str
    layer: int = -2

    @abstractmethod
    def _classes(self) -> tuple[Any, Any]:
        """Return the classes of configuration and model."""

    @property
    @abstractmethod
    def _drops(self) -> int:
        """How many tokens to drop before the features."""

    @property
    @abstractmethod
    def _class_token(self) -> bool:
        """Whether a class token is left in front of the features."""

    def spec(self) -> TowerSpec:
        """Read grid and width from the configuration beside the weights, and the input from their image processor."""
        config = self._config()
        edge, patch = config.image_size, config.patch_size
        own, file = read_preprocessing(self.weights, Preprocessing(size=(edge, edge), mean=self.MEAN, std=self.STD))
        if self.size is None and own.size != (edge, edge):
            raise WeightsError(
                f"weights {self.weights!r}: {file}: size: {own.size[0]} x {own.size[1]} is not that of config.json; "
                f"there is image_size {edge}; choose one with size in the recipe"
            )
        chosen = self.chosen(own)
        rows, columns = (length // patch for length in chosen.size)
        if not rows or not columns:
            raise WeightsError(f"size: {chosen.size} holds no patch; a patch is {patch} x {patch} pixels")
        return TowerSpec(
            width=config.hidden_size,
            size=chosen.size,
            grid=PatchGrid(rows=rows, columns=columns, patch=(patch, patch)),
            class_token=self._class_token,
            mean=chosen.mean,
            std=chosen.std,
            interpolation=chosen.interpolation,
        )

    def verify(self) -> None:
        """Verify that the weights exist."""
        verify_weights(self.weights)

    @property
    def restorable(self) -> bool:
        """True: the weights are read from their name each time."""
        return True

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the tower in float32, without the layers above the one that is used."""
        import torch

        config, (_, model) = self._config(), self._classes()
        interpolated = self.size not in {None, (config.image_size, config.image_size)}
        wanted = self.layer if self.layer >= 0 else config.num_hidden_layers + 1 + self.layer
        if not 0 <= wanted <= config.num_hidden_layers:
            last = config.num_hidden_layers
            raise WeightsError(f"weights {self.weights!r}: no hidden layer {self.layer}; there are 0 to {last}")
        # one layer more than needed: the last hidden state may be normalised
        config.num_hidden_layers = min(config.num_hidden_layers, wanted + 1)
        with reading_weights(self.weights):
            if not pretrained:
                return _module(model(config), wanted, self._drops, interpolated=interpolated)
            built, report = model.from_pretrained(
                self.weights, config=config, dtype=torch.float32, output_loading_info=True
            )
        # the head pools the patches, which is not needed
        missing = sorted(key for key in report["missing_keys"] if ".head." not in f".{key}")
        if missing:
            raise WeightsError(
                f"weights {self.weights!r}: lack tensors of the tower; {len(missing)} of them, the first {missing[0]!r}"
            )
        return _module(built, wanted, self._drops, interpolated=interpolated)

    def _config(self) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
        kind, _ = self._classes()
        held = read_json(self.weights, "config.json")
        if Path(self.weights).is_dir() and held is None:
            raise WeightsError(f"weights {self.weights!r}: cannot be read; there is no config.json")
        family = (held or {}).get("model_type", self.MODEL_TYPES[0])
        if family not in self.MODEL_TYPES:
            raise WeightsError(
                f"weights {self.weights!r}: config.json: model_type: {family!r} is no tower of this family; "
                f"there is {listed(self.MODEL_TYPES)}"
            )
        with reading_weights(self.weights):
            return kind.from_pretrained(self.weights)


def _module(model: nn.Module, layer: int, drops: int, *, interpolated: bool) -> nn.Module:
    from torch import nn

    class HiddenLayer(nn.Module):
        """Return one hidden layer of a vision transformer."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: Tensor) -> Tensor:
            output = self.model(pixel_values=pixels, output_hidden_states=True, interpolate_pos_encoding=interpolated)
            return output.hidden_states[layer][:, drops:]  # type: ignore[no-any-return]  # [N, P, Dv]

    return HiddenLayer()
