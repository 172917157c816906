"""Memory-efficient attention of xFormers, as an implementation of attention in transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "xformers"
"""The implementation's name in transformers."""

ALIGNED = 8
"""A row of a bias must start at a multiple of so many numbers."""


def register() -> None:
    """Make the implementation known to transformers; masks are those of ``sdpa``."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def attend(  # noqa: PLR0913, PLR0917 - the signature of transformers
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,  # noqa: ANN401 - the signature of transformers
) -> tuple[Tensor, None]:
    """Compute attention with the interface of transformers.

    Args:
        module: The layer; says how many heads share a key.
        query: `[B, H, T, K]`.
        key: `[B, H or fewer, S, K]`.
        value: `[B, H or fewer, S, K]`.
        attention_mask: Which keys each query sees `[B, 1, T, S]`; without it,
            those up to its own, or all if there is one query.
        dropout: Share of the attention that is dropped.
        scaling: Scale of the scores; `K ** -0.5` without it.

    Returns:
        `[B, T, H, K]`, and nothing: the weights are never held at once.
    """
    from xformers.ops import LowerTriangularMask, memory_efficient_attention

    shared = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(shared, dim=1) for states in (key, value))
    bias = LowerTriangularMask() if module.is_causal and query.shape[2] > 1 else None
    if attention_mask is not None:
        bias = _bias(attention_mask, query.shape[1], value)
    rows = (states.to(value.dtype).transpose(1, 2) for states in (query, key, value))  # [B, T or S, H, K]
    return memory_efficient_attention(*rows, attn_bias=bias, p=dropout, scale=scaling), None


def _bias(mask: Tensor, heads: int, value: Tensor) -> Tensor:
    """Turn a mask into what is added to the scores `[B, H, T, S]`; no row is -inf as a whole, which would be NaN."""
    import torch

    batch, _, queries, keys = mask.shape
    room = -(-keys // ALIGNED) * ALIGNED
    bias = value.new_zeros(batch, 1, queries, room)[..., :keys]
    return bias.masked_fill_(~mask, torch.finfo(value.dtype).min).expand(-1, heads, -1, -1)
