"""Quantized weights below adapters, where bitsandbytes is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pytest
import torch

from remgcl import Lora
from remgcl.plugins.backbones.causal_lm import CausalLM
from remgcl.plugins.backbones.tiny import TinyBackbone

TINY = TinyBackbone(width=64, layers=1, heads=2, mlp=128)
LORA = Lora(rank=2, alpha=4.0)


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("bits", "kept"), [(4, torch.uint8), (8, torch.int8)])
def test_adapters_learn_above_weights_of_few_bits(tmp_path: Path, bits: Literal[4, 8], kept: torch.dtype) -> None:
    plain = TINY.build()
    plain.save_pretrained(tmp_path)  # type: ignore[operator]
    backbone = LORA.add(CausalLM(weights=str(tmp_path), lora=LORA, quantize=bits).build())
    states = torch.randn(2, 5, 64)
    logits = backbone(inputs_embeds=states).logits
    assert torch.nn.functional.cosine_similarity(logits, plain(inputs_embeds=states).logits, dim=-1).min() > 0.95
    logits.square().sum().backward()
    layer = backbone.get_submodule("model.layers.0.mlp.up_proj")
    assert layer.base_layer.weight.dtype == kept  # type: ignore[union-attr]
    learned = {name: value.grad for name, value in backbone.named_parameters() if value.requires_grad}
    assert all(map(LORA.owns, learned))
    assert all(grad is not None and grad.any() for name, grad in learned.items() if "lora_B" in name)


def test_parameters_of_quantized_weights_are_counted_as_they_are_without(tmp_path: Path) -> None:
    TINY.build().save_pretrained(tmp_path)  # type: ignore[operator]
    every, learning = CausalLM(weights=str(tmp_path), lora=LORA, quantize=4).counts()
    assert (every, learning) == TinyBackbone(width=64, layers=1, heads=2, mlp=128, lora=LORA).counts()
    assert every == TINY.parameters() + learning
