"""What the towers of transformers share: configuration, weights, hidden layers."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from remgcl import PatchGrid, TowerSpec, VisionTower, WeightsError, read_json, reading_weights, verify_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class HuggingFaceTower(VisionTower):
    """A vision transformer of transformers.

    Attributes:
        weights: Folder or hub id.
        layer: The hidden layer that gives the features; 0 is the embeddings, -1
            the last.
    """

    MEAN: ClassVar[tuple[float, float, float]]
    STD: ClassVar[tuple[float, float, float]]

    weights: str
    layer: int = -2

    @abstractmethod
    def _classes(self) -> tuple[Any, Any]:
        """Give the classes of configuration and model."""

    @property
    @abstractmethod
    def _drops(self) -> int:
        """How many tokens to drop before the features."""

    @property
    @abstractmethod
    def _class_token(self) -> bool:
        """Whether a class token is left in front of the features."""

    def spec(self) -> TowerSpec:
        """Read grid, width and colours from the configuration beside the weights."""
        config = self._config()
        patches = config.image_size // config.patch_size
        processor = read_json(self.weights, "preprocessor_config.json") or {}
        return TowerSpec(
            width=config.hidden_size,
            size=(config.image_size, config.image_size),
            grid=PatchGrid(rows=patches, columns=patches, patch=(config.patch_size, config.patch_size)),
            class_token=self._class_token,
            mean=tuple(processor.get("image_mean", self.MEAN)),
            std=tuple(processor.get("image_std", self.STD)),
        )

    def verify(self) -> None:
        """Make sure that the weights exist."""
        verify_weights(self.weights)

    @property
    def restorable(self) -> bool:
        """True: the weights are read from their name each time."""
        return True

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the tower in float32, without the layers above the one that is used."""
        import torch

        config, (_, model) = self._config(), self._classes()
        wanted = self.layer if self.layer >= 0 else config.num_hidden_layers + 1 + self.layer
        if not 0 <= wanted <= config.num_hidden_layers:
            last = config.num_hidden_layers
            raise WeightsError(f"weights {self.weights!r}: no hidden layer {self.layer}; there are 0 to {last}")
        # one layer more than needed: the last hidden state may be normalised
        config.num_hidden_layers = min(config.num_hidden_layers, wanted + 1)
        with reading_weights(self.weights):
            if not pretrained:
                return _module(model(config), wanted, self._drops)
            built, report = model.from_pretrained(
                self.weights, config=config, dtype=torch.float32, output_loading_info=True
            )
        # the head pools the patches, which nobody asks for
        missing = sorted(key for key in report["missing_keys"] if ".head." not in f".{key}")
        if missing:
            raise WeightsError(
                f"weights {self.weights!r}: lack tensors of the tower; {len(missing)} of them, the first {missing[0]!r}"
            )
        return _module(built, wanted, self._drops)

    def _config(self) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
        kind, _ = self._classes()
        if Path(self.weights).is_dir() and read_json(self.weights, "config.json") is None:
            raise WeightsError(f"weights {self.weights!r}: cannot be read; there is no config.json")
        with reading_weights(self.weights):
            return kind.from_pretrained(self.weights)


def _module(model: nn.Module, layer: int, drops: int) -> nn.Module:
    from torch import nn

    class HiddenLayer(nn.Module):
        """Give one hidden layer of a vision transformer."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: Tensor) -> Tensor:
            output = self.model(pixel_values=pixels, output_hidden_states=True)
            return output.hidden_states[layer][:, drops:]  # type: ignore[no-any-return]  # [N, P, Dv]

    return HiddenLayer()
