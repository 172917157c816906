"""The built-in backbones promise what every backbone does."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerBase

from remgcl.plugins.backbones import CausalLM, TinyBackbone
from remgcl.testing import backbones, conformance

SHAPE = {"vocab_size": 259, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "bos_token_id": 1}
CONFIGS = {
    "Llama": LlamaConfig(**SHAPE, intermediate_size=24),
    "GPT-2": GPT2Config(**SHAPE, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0),
}

TestTiny = conformance(TinyBackbone(width=16, layers=2, heads=2, mlp=24, deviation=0.5))
TestUntied = conformance(TinyBackbone(width=16, layers=1, heads=2, mlp=24, deviation=0.5, tied=False))


class TestCausalLM(backbones.Checks):
    """Models of transformers in a folder."""

    @pytest.fixture(params=CONFIGS)
    def part(self, request: pytest.FixtureRequest, tmp_path: Path, bytewise: PreTrainedTokenizerBase) -> CausalLM:
        """A backbone of random weights."""
        AutoModelForCausalLM.from_config(CONFIGS[request.param]).save_pretrained(tmp_path / "weights")
        bytewise.save_pretrained(tmp_path / "weights")
        return CausalLM(weights=str(tmp_path / "weights"))
