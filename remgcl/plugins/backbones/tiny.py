"""A small Llama with random weights and, by default, a tokenizer of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from attrs.validators import ge, gt

from remgcl import Backbone, BackboneSpec
from remgcl.plugins.backbones.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from torch import nn

SPECIAL = ("<pad>", "<s>", "</s>")
"""Tokens of the tokenizer of bytes: padding, begin and end of a sequence."""

BYTES = 256


@frozen(kw_only=True)
class TinyBackbone(Backbone):
    """A small Llama with random weights, trained in seconds on a CPU.

    Attributes:
        width: Width D of the embeddings; a multiple of twice the heads.
        layers: Number of layers.
        heads: Number of attention heads.
        mlp: Width inside the layers' gated MLP.
        tied: Whether input and output embeddings are one table.
        deviation: Standard deviation of the random weights.
        max_length: Longest sequence in tokens.
        tokenizer: Folder or hub id of a tokenizer; by default each byte of a text is a token.
        lora: Adapters that are trained in its place; by default the whole backbone is trained.
    """

    width: int = field(default=128, validator=ge(2))
    layers: int = field(default=2, validator=ge(1))
    heads: int = field(default=4, validator=ge(1))
    mlp: int = field(default=256, validator=ge(1))
    tied: bool = True
    deviation: float = field(default=0.05, validator=gt(0))
    max_length: int = field(default=2048, validator=ge(2))
    tokenizer: str | None = None

    def __attrs_post_init__(self) -> None:
        """Verify that the heads share the width."""
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the heads; there are {self.heads}")

    def spec(self) -> BackboneSpec:
        """Declare width, vocabulary and layers."""
        vocabulary = BYTES + len(SPECIAL) if self.tokenizer is None else len(self.build_tokenizer())
        return BackboneSpec(
            width=self.width,
            vocabulary=vocabulary,
            layers=self.layers,
            max_length=self.max_length,
            tied=self.tied,
        )

    def parameters(self) -> int:
        """Count embeddings, layers (attention, gated MLP, two norms), last norm and output."""
        width = self.width
        layer = 4 * width**2 + 3 * width * self.mlp + 2 * width
        tables = 1 if self.tied else 2
        return tables * self.spec().vocabulary * width + self.layers * layer + width

    def build_tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Read the tokenizer, or make one of bytes."""
        return read_tokenizer(self.tokenizer) if self.tokenizer else _bytes()

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the model; its weights are random either way."""
        del pretrained
        from transformers import LlamaConfig, LlamaForCausalLM

        tokenizer = self.build_tokenizer()
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=self.max_length,
            tie_word_embeddings=self.tied,
            initializer_range=self.deviation,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return LlamaForCausalLM(config)  # type: ignore[no-any-return]


def _bytes() -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Make a tokenizer with one token for each byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    pad, begin, end = SPECIAL
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, vocabulary[begin])]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, bos_token=begin, eos_token=end)
