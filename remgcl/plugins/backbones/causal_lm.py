"""Any causal language model of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from remgcl import Backbone, BackboneSpec, WeightsError, reading_weights, verify_installed, verify_weights
from remgcl.plugins.backbones import xformers
from remgcl.plugins.backbones.miniature import miniature
from remgcl.plugins.backbones.suitable import attention_of, verify_suitable
from remgcl.plugins.backbones.tokenizer import read_tokenizer

if TYPE_CHECKING:
    from torch import nn

OFFSET = 2
"""Rows that a table of learned positions may have more than positions; OPT's has two."""


@frozen(kw_only=True)
class CausalLM(Backbone):
    """Any causal language model of transformers; remote code is never run.

    Attributes:
        weights: Folder or hub id.
        tokenizer: Folder or hub id of the tokenizer; by default that of the weights.
        attention: The implementation of attention. Models without ``sdpa``,
            such as Gemma 2, use ``eager`` instead; ``flash_attention_2`` needs
            the extra ``flash-attn``, ``xformers`` the extra of that name.
        lora: Adapters that are trained in its place; by default the whole backbone is trained.
        quantize: Bits of a frozen weight below the adapters (QLoRA); needs ``lora`` and the extra ``qlora``.
    """

    weights: str
    tokenizer: str | None = None
    attention: Literal["sdpa", "eager", "flash_attention_2", "xformers"] = "sdpa"
    quantize: Literal[4, 8] | None = None

    def __attrs_post_init__(self) -> None:
        """Verify that something can learn."""
        if self.quantize and self.lora is None:
            raise ValueError("quantize: needs lora; quantized weights cannot learn")

    def spec(self) -> BackboneSpec:
        """Read width, vocabulary and layers from the configuration beside the weights."""
        config = self._config().get_text_config()
        return BackboneSpec(
            width=config.hidden_size,
            vocabulary=config.vocab_size,
            layers=config.num_hidden_layers,
            max_length=getattr(config, "max_position_embeddings", None),
            tied=bool(config.tie_word_embeddings),
        )

    def verify(self) -> None:
        """Verify that the weights exist and are of a suitable model, and what the settings need."""
        if self.attention == "flash_attention_2":
            verify_installed("flash_attn", "attention = 'flash_attention_2'", "remgcl[flash-attn]")
        if self.attention == xformers.NAME:
            verify_installed("xformers", "attention = 'xformers'", "remgcl[xformers]")
        if self.quantize:
            verify_installed("bitsandbytes", f"quantize = {self.quantize}", "remgcl[qlora]")
        verify_weights(self.weights)
        verify_suitable(self.weights, self._config())
        attention_of(self._config(), self.attention)

    @property
    def restorable(self) -> bool:
        """True: the weights are read from their name each time."""
        return True

    def build_tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Read the tokenizer."""
        return read_tokenizer(self.tokenizer or self.weights)

    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the model in float32, or quantized; every one of its tensors must be among the weights."""
        import torch
        from transformers import AutoModelForCausalLM

        if self.attention == xformers.NAME:
            xformers.register()
        attention = attention_of(self._config(), self.attention)
        with reading_weights(self.weights):
            if not pretrained:
                return AutoModelForCausalLM.from_config(  # type: ignore[no-any-return]
                    self._config(), attn_implementation=attention, dtype=torch.float32, trust_remote_code=False
                )
            model, report = AutoModelForCausalLM.from_pretrained(
                self.weights,
                attn_implementation=attention,
                dtype=torch.float32,
                quantization_config=self._quantization(),
                trust_remote_code=False,
                output_loading_info=True,
            )
        missing = sorted(report["missing_keys"])
        if missing:
            raise WeightsError(
                f"weights {self.weights!r}: lack tensors of the model; {len(missing)} of them, the first {missing[0]!r}"
            )
        return model  # type: ignore[no-any-return]

    def build_miniature(self) -> nn.Module | None:
        """Make a model of the same class with two layers, and narrow ones if it is large."""
        return miniature(self._config().get_text_config())

    def learns_positions(self) -> bool:
        """Look for a table of positions in a model without tensors."""
        import torch
        from torch import nn

        with torch.device("meta"):
            model: Any = self.build(pretrained=False)
        tokens, most = model.get_input_embeddings(), self.spec().max_length or 0
        tables = (each for each in model.modules() if isinstance(each, nn.Embedding) and each is not tokens)
        return any(most <= table.num_embeddings <= most + OFFSET for table in tables)

    def _quantization(self) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
        """Quantize as QLoRA does (Dettmers et al. 2023, section 3): NF4, its constants quantized too; or to int8."""
        import torch
        from transformers import BitsAndBytesConfig

        if self.quantize is None:
            return None
        if self.quantize == 8:  # noqa: PLR2004 - bits
            return BitsAndBytesConfig(load_in_8bit=True)
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )

    def _config(self) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
        from transformers import AutoConfig

        with reading_weights(self.weights):
            return AutoConfig.from_pretrained(self.weights, trust_remote_code=False)
