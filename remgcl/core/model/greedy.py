"""Greedy decoding that no file beside the weights changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor


def decode_greedily(  # noqa: PLR0913 - what a prompt is made of, and how its answer ends
    backbone: Any,  # noqa: ANN401 - transformers' models are untyped
    embeddings: Tensor,
    attention_mask: Tensor,
    max_new_tokens: int,
    *,
    eos_token_id: int | list[int] | None = None,
    pad_token_id: int | None = None,
    **options: Any,  # noqa: ANN401 - transformers' generation options
) -> Tensor:
    """Take the token with the largest logit, again and again.

    transformers fills every setting that is not named from the model's
    `generation_config.json`: Qwen2.5's penalty on repetition, sampling, suppressed
    or forced tokens, shortest lengths. None of them counts here.

    Args:
        backbone: A causal language model of transformers.
        embeddings: The prompts, padded on the left `[B, T, D]`.
        attention_mask: 1 on tokens, 0 on padding `[B, T]`.
        max_new_tokens: Longest answer.
        eos_token_id: Tokens that end an answer.
        pad_token_id: Follows an answer that ended before the others.
        **options: Further options of transformers' `generate`; they count.

    Returns:
        Ids of the answers `[B, up to max_new_tokens]`.
    """
    from transformers import GenerationConfig

    greedy = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=eos_token_id,
        pad_token_id=pad_token_id,
    )
    with _without_settings(backbone):
        ids: Tensor = backbone.generate(
            inputs_embeds=embeddings, attention_mask=attention_mask, generation_config=greedy, **options
        )
    return ids


@contextmanager
def _without_settings(backbone: Any) -> Iterator[None]:  # noqa: ANN401 - transformers' models are untyped
    """Hide the settings that came with the weights; an export still finds them afterwards."""
    from transformers import GenerationConfig

    own = backbone.generation_config
    backbone.generation_config = GenerationConfig()
    try:
        yield
    finally:
        backbone.generation_config = own
