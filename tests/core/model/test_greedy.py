"""Greedy decoding: the largest logit, whatever stands beside the weights."""

from typing import Any

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from remgcl.core.model.greedy import decode_greedily

SETTINGS: dict[str, dict[str, Any]] = {
    "penalty": {"repetition_penalty": 1.5},
    "n-grams": {"no_repeat_ngram_size": 1},
    "sampling": {"do_sample": True, "temperature": 9.0, "top_k": 3, "top_p": 0.5},
    "beams": {"num_beams": 3},
    "suppressed": {"suppress_tokens": list(range(12))},
    "suppressed at the beginning": {"begin_suppress_tokens": list(range(12))},
    "bad words": {"bad_words_ids": [[token] for token in range(12)]},
    "forced first": {"forced_bos_token_id": 5},
    "forced last": {"forced_eos_token_id": 7},
    "shortest": {"min_new_tokens": 8},
    "bias": {"sequence_bias": [[[3], 50.0]]},
    "penalty on length": {"exponential_decay_length_penalty": (1, 4.0)},
    "other end": {"eos_token_id": list(range(23))},
    "longest": {"max_length": 1},
    "no cache": {"use_cache": False},
}


@pytest.fixture
def backbone() -> LlamaForCausalLM:
    """Make a small model whose greedy answers repeat tokens."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=24,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=None,
        pad_token_id=0,
        initializer_range=0.4,
    )
    return LlamaForCausalLM(config).eval()


def largest(backbone: LlamaForCausalLM, embeddings: torch.Tensor, steps: int) -> list[int]:
    """Take the token with the largest logit of a model without a cache."""
    found: list[int] = []
    for _ in range(steps):
        best = backbone(inputs_embeds=embeddings, use_cache=False).logits[:, -1].argmax(dim=-1)
        found.append(int(best))
        embeddings = torch.cat([embeddings, backbone.get_input_embeddings()(best)[:, None]], dim=1)
    return found


@torch.no_grad()
@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_beside_the_weights_change_no_answer_and_stay_where_they_are(
    settings: str, backbone: LlamaForCausalLM
) -> None:
    embeddings = torch.randn(1, 4, 16)
    beside = GenerationConfig(**SETTINGS[settings])
    backbone.generation_config = beside

    ids = decode_greedily(backbone, embeddings, torch.ones(1, 4, dtype=torch.int64), 8, pad_token_id=0)

    assert ids.tolist() == [largest(backbone, embeddings, 8)]
    assert len(set(ids[0].tolist())) < 8  # a penalty would have changed it
    assert backbone.generation_config is beside


@torch.no_grad()
def test_an_answer_ends_at_the_tokens_that_are_given(backbone: LlamaForCausalLM) -> None:
    embeddings = torch.randn(1, 4, 16)
    due = largest(backbone, embeddings, 4)
    stop = due[2]

    ids = decode_greedily(
        backbone, embeddings, torch.ones(1, 4, dtype=torch.int64), 8, eos_token_id=[stop], pad_token_id=0
    )

    assert ids.tolist() == [due[: due.index(stop) + 1]]


@torch.no_grad()
def test_settings_come_back_after_a_failure(backbone: LlamaForCausalLM) -> None:
    beside = backbone.generation_config

    with pytest.raises(RuntimeError, match="size"):
        decode_greedily(backbone, torch.randn(1, 4, 3), torch.ones(1, 4, dtype=torch.int64), 1, pad_token_id=0)

    assert backbone.generation_config is beside
