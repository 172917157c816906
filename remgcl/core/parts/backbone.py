"""The contract of backbones: the language model and its tokenizer."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.parts.lora import Lora
from remgcl.core.parts.part import Pretrained

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class BackboneSpec:
    """What a backbone declares of itself, without loading its weights.

    Attributes:
        width: Width D of its embeddings.
        vocabulary: Number of rows of its embedding table.
        layers: Number of its layers.
        max_length: Longest sequence it can attend to, in tokens; None if
            nothing bounds it.
        tied: Whether input and output embeddings are one table.
    """

    width: int
    vocabulary: int
    layers: int
    max_length: int | None = None
    tied: bool = False


@frozen(kw_only=True)
class Backbone(Pretrained):
    """The language model and its tokenizer.

    Attributes:
        lora: Adapters that learn in its place; without it, all of it learns.
        image_markers: Whether the image stands between two tokens of its own,
            ``<im_start>`` and ``<im_end>``, which are new rows of the embeddings.
    """

    lora: Lora | None = None
    image_markers: bool = False

    @abstractmethod
    def spec(self) -> BackboneSpec:
        """Declare width, vocabulary and layers.

        Raises:
            WeightsError: Its configuration cannot be found or read.
        """

    @abstractmethod
    def build_tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Make the tokenizer of transformers; it must give character offsets.

        Raises:
            WeightsError: It cannot be found or read.
        """

    def learns(self, name: str) -> bool:
        """Tell whether one of its parameters learns in the stages that train it.

        Args:
            name: The parameter's name, adapters included.
        """
        return self.lora is None or self.lora.owns(name)

    def counts(self) -> tuple[int, int]:
        """Count its parameters, adapters included: all of them, and those that may learn.

        The rows of image markers are not counted.
        """
        if self.lora is not None:
            return self.lora.counts(lambda: self.build(pretrained=False))
        every = self.parameters()
        return every, every

    @abstractmethod
    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the causal language model, with the interface of transformers, without adapters.

        Args:
            pretrained: Whether to load weights; otherwise they are random, and
                nothing is read but a configuration.

        Raises:
            WeightsError: Its weights cannot be found or read.
        """
