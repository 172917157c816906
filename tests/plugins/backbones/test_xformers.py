"""Attention of xFormers: the same as transformers' own, with a stand-in that attends plainly."""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig

from remgcl import RunError
from remgcl.plugins.backbones.causal_lm import CausalLM
from remgcl.plugins.backbones.tiny import TinyBackbone

SHAPE = {
    "vocab_size": 259,
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


class LowerTriangularMask:
    """Each query sees the keys up to its own place."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Install a stand-in for the library: the bias of each call."""
    biases: list[Any] = []

    def memory_efficient_attention(  # noqa: PLR0913, PLR0917 - the signature of the library
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_bias: Tensor | LowerTriangularMask | None = None,
        p: float = 0.0,
        scale: float | None = None,
    ) -> Tensor:
        """Attend plainly: `[B, T, H, K]`, `[B, S, H, K]` twice, and a bias `[B, H, T, S]`."""
        assert query.dtype == key.dtype == value.dtype
        assert key.shape == value.shape
        biases.append(attn_bias)
        scores = torch.einsum("bthk,bshk->bhts", query, key) * (scale or query.shape[-1] ** -0.5)
        if isinstance(attn_bias, LowerTriangularMask):
            scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -torch.inf)
        elif attn_bias is not None:
            assert attn_bias.shape == scores.shape
            assert attn_bias.dtype == query.dtype
            assert attn_bias.stride(-2) % 8 == 0
            scores = scores + attn_bias
        weights = nn.functional.dropout(scores.softmax(dim=-1), p)
        return torch.einsum("bhts,bshk->bthk", weights, value)

    package, ops = ModuleType("xformers"), ModuleType("xformers.ops")
    package.__spec__ = ModuleSpec("xformers", None)
    package.ops = ops  # type: ignore[attr-defined]
    ops.LowerTriangularMask = LowerTriangularMask  # type: ignore[attr-defined]
    ops.memory_efficient_attention = memory_efficient_attention  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xformers", package)
    monkeypatch.setitem(sys.modules, "xformers.ops", ops)
    return biases


@pytest.fixture(params=[4, 2], ids=["a key for each head", "a key for two heads"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], nn.Module]:
    """Read the same Llama with one implementation of attention or another."""
    AutoModelForCausalLM.from_config(LlamaConfig(**SHAPE, num_key_value_heads=request.param)).save_pretrained(tmp_path)
    TinyBackbone().build_tokenizer().save_pretrained(tmp_path)
    return lambda attention: CausalLM(weights=str(tmp_path), attention=attention).build().eval()  # type: ignore[arg-type]


IDS = torch.arange(22).view(2, 11) + 3
MASKS = {
    "none": torch.ones(2, 11, dtype=torch.long),
    "right": torch.tensor([[1] * 11, [1] * 6 + [0] * 5]),
    "left": torch.tensor([[1] * 11, [0] * 5 + [1] * 6]),
}


@pytest.mark.parametrize("padding", MASKS)
def test_logits_and_gradients_are_those_of_sdpa(
    models: Callable[[str], nn.Module], calls: list[Any], padding: str
) -> None:
    mask, found = MASKS[padding], []
    for attention in ("sdpa", "xformers"):
        model = models(attention)
        logits = model(input_ids=IDS, attention_mask=mask, use_cache=False).logits[mask.bool()]
        logits.logsumexp(dim=-1).sum().backward()
        found.append((logits.detach(), model.get_parameter("model.embed_tokens.weight").grad))
    assert len(calls) == 2
    assert all(isinstance(bias, LowerTriangularMask) is (padding == "none") for bias in calls)
    for ours, theirs in zip(*found, strict=True):
        assert torch.isfinite(ours).all()
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("padding", ["none", "left"])
def test_answers_are_those_of_sdpa(models: Callable[[str], nn.Module], calls: list[Any], padding: str) -> None:
    asked = {"input_ids": IDS, "attention_mask": MASKS[padding], "max_new_tokens": 4, "do_sample": False}
    ours, theirs = (models(attention).generate(**asked) for attention in ("xformers", "sdpa"))  # type: ignore[operator]
    assert len(calls) >= 2 * 4
    assert torch.equal(ours, theirs)


def test_half_precision_is_one_precision(models: Callable[[str], nn.Module], calls: list[Any]) -> None:
    """Under autocast, rotary embeddings leave queries and keys in another precision than values."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = models("xformers")(input_ids=IDS, attention_mask=MASKS["right"], use_cache=False).logits
    assert torch.isfinite(logits).all()
    assert calls[0].dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"attention": "xformers"}, r"attention = 'xformers': needs xformers, .*pip install 'remgcl\[xformers\]'"),
        (
            {"attention": "flash_attention_2"},
            r"attention = 'flash_attention_2': needs flash_attn, .*'remgcl\[flash-attn\]'",
        ),
        (
            {"quantize": 4, "lora": {"rank": 2}},
            r"quantize = 4: needs bitsandbytes, .*pip install 'remgcl\[qlora\]'",
        ),
    ],
)
def test_an_absent_library_is_an_error_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], told: str
) -> None:
    from remgcl.core.files import extras

    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(RunError, match=told):
        CausalLM(weights=str(tmp_path), **settings).verify()


def test_quantized_weights_without_adapters_are_refused() -> None:
    with pytest.raises(ValueError, match="quantize: needs lora; quantized weights cannot learn"):
        CausalLM(weights="somewhere", quantize=4)
