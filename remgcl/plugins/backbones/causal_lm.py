"""Any causal language model of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from remgcl import Backbone, BackboneSpec, WeightsError, reading_weights, verify_weights
from remgcl.plugins.backbones.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class CausalLM(Backbone):
    """Any causal language model of transformers; remote code is never run.

    Attributes:
        weights: Folder or hub id.
        tokenizer: Folder or hub id of the tokenizer; that of the weights
            without it.
        attention: The implementation of attention; ``flash_attention_2`` needs
            the extra ``flash-attn``.
    """

    weights: str
    tokenizer: str | None = None
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"

    def spec(self) -> BackboneSpec:
        """Read width, vocabulary and layers from the configuration beside the weights."""
        config = self._config()
        return BackboneSpec(
            width=config.hidden_size,
            vocabulary=config.vocab_size,
            layers=config.num_hidden_layers,
            max_length=getattr(config, "max_position_embeddings", None),
            tied=bool(config.tie_word_embeddings),
        )

    def verify(self) -> None:
        """Make sure that the weights exist."""
        verify_weights(self.weights)

    @property
    def restorable(self) -> bool:
        """True: the weights are read from their name each time."""
        return True

    def build_tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Read the tokenizer."""
        return read_tokenizer(self.tokenizer or self.weights)

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the model in float32; every one of its tensors must be among the weights."""
        import torch
        from transformers import AutoModelForCausalLM

        with reading_weights(self.weights):
            if not pretrained:
                return AutoModelForCausalLM.from_config(  # type: ignore[no-any-return]
                    self._config(), attn_implementation=self.attention, dtype=torch.float32, trust_remote_code=False
                )
            model, report = AutoModelForCausalLM.from_pretrained(
                self.weights,
                attn_implementation=self.attention,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
            )
        missing = sorted(report["missing_keys"])
        if missing:
            raise WeightsError(
                f"weights {self.weights!r}: lack tensors of the model; {len(missing)} of them, the first {missing[0]!r}"
            )
        return model  # type: ignore[no-any-return]

    def _config(self) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
        from transformers import AutoConfig

        with reading_weights(self.weights):
            config = AutoConfig.from_pretrained(self.weights, trust_remote_code=False)
        return config.get_text_config()
