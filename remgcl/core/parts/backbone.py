"""The contract of backbones: the language model and its tokenizer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.parts.lora import Lora
from remgcl.core.parts.part import Pretrained
from remgcl.core.parts.promise import instance, is_a, module, returns, several, that, whole

if TYPE_CHECKING:
    from torch import nn


SIDES = ("input", "output")
"""The tables of embeddings that a language model has."""


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


def _are_counts(counts: object) -> bool:
    return several(whole(), 2)(counts) and isinstance(counts, Sequence) and counts[1] <= counts[0]


@frozen(kw_only=True)
class Backbone(Pretrained):
    """The language model and its tokenizer.

    Attributes:
        lora: Adapters that are trained in its place; by default the whole backbone is trained.
        image_markers: Whether the image is enclosed in two added tokens, ``<im_start>`` and ``<im_end>``,
            which are new rows of the embeddings.
    """

    lora: Lora | None = None
    image_markers: bool = False

    @abstractmethod
    @returns(
        "a BackboneSpec of whole numbers: width, vocabulary and layers of at least 1, max_length of at least 1 or None",
        instance(
            BackboneSpec,
            {
                "width": whole(1),
                "vocabulary": whole(1),
                "layers": whole(1),
                "max_length": lambda length: length is None or whole(1)(length),
                "tied": is_a(bool),
            },
        ),
    )
    def spec(self) -> BackboneSpec:
        """Declare width, vocabulary and layers.

        Raises:
            WeightsError: Its configuration cannot be found or read.
        """

    @abstractmethod
    @returns(
        "a tokenizer of transformers",
        that(lambda tokenizer: callable(tokenizer) and hasattr(tokenizer, "is_fast") and hasattr(tokenizer, "encode")),
    )
    def build_tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Make the tokenizer of transformers; it must give character offsets.

        Raises:
            WeightsError: It cannot be found or read.
        """

    @returns("true or false", that(is_a(bool)))
    def learns(self, name: str) -> bool:
        """Return whether one of its parameters learns in the stages that train it.

        Args:
            name: The parameter's name, adapters included.
        """
        return self.lora is None or self.lora.owns(name)

    @returns("two whole numbers: its parameters, and no more of them that may learn", that(_are_counts))
    def counts(self) -> tuple[int, int]:
        """Count its parameters, adapters included: all of them, and those that may learn.

        The rows of image markers are not counted.
        """
        if self.lora is not None:
            return self.lora.counts(lambda: self.build(pretrained=False))
        return super().counts()

    def build_miniature(self) -> nn.Module | None:
        """Return a small random model of the class of `build`, for `check` to try, or None if that is not possible."""
        return None

    def learns_positions(self) -> bool:
        """Whether each position has a learned embedding, so that no text can be longer than `max_length`."""
        return False

    @abstractmethod
    @returns(
        "a causal language model of transformers: a torch module with get_input_embeddings and get_output_embeddings",
        that(lambda built: module(built) and all(hasattr(built, f"get_{side}_embeddings") for side in SIDES)),
    )
    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the causal language model, with the interface of transformers, without adapters.

        Args:
            pretrained: Whether to load weights; otherwise they are random, and
                nothing is read but a configuration.

        Raises:
            WeightsError: Its weights cannot be found or read.
        """
