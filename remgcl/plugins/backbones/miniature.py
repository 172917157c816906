"""A small model of the same class as a large one, to be tried before the large one is trained."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

LAYERS = 2
"""Fewest layers of a miniature; it has more where that takes one of each kind."""

MOST = 50_000_000
"""Most parameters of a miniature, which take a second to make."""

SMALL = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
}
"""Sizes of a miniature, where the configuration names them and has larger ones."""


def miniature(config: Any) -> nn.Module | None:  # noqa: ANN401 - transformers' configurations are untyped
    """Make a small random model of the class that a configuration names.

    First its layers are cut to two, or to one of each kind; if that is still large, its widths too.

    Args:
        config: The configuration of a language model.

    Returns:
        The model, in float32 on the CPU, or None where it cannot be made small.
    """
    import torch
    from transformers import AutoModelForCausalLM

    for small in (_shallow(config), _narrow(_shallow(config))):
        try:
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(small, trust_remote_code=False)
            if sum(parameter.numel() for parameter in model.parameters()) > MOST:
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return AutoModelForCausalLM.from_config(  # type: ignore[no-any-return]
                    small, attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
                )
        except Exception:  # noqa: BLE001, S112 - sizes that do not fit each other: nothing is known about the large model
            continue
    return None


def _shallow(config: Any) -> Any:  # noqa: ANN401 - as above
    """Keep the first layers, two or one of each kind, and of what a configuration lists by layer as many."""
    small, layers = deepcopy(config), config.num_hidden_layers
    by_layer = {key: value for key, value in config.to_dict().items() if _lists(value, layers)}
    listed = (*by_layer.values(), getattr(config, "layer_types", None))
    kinds = [value for value in listed if _lists(value, layers, str)]
    depth = max(LAYERS, *(1 + names.index(kind) for names in kinds for kind in set(names)), 0)
    if layers <= depth:
        return small
    for key in by_layer.keys() & vars(small).keys():
        setattr(small, key, by_layer[key][:depth])
    small.num_hidden_layers = depth
    return small


def _lists(value: object, layers: int, kind: type = object) -> bool:
    """Whether a value of a configuration lists something by layer."""
    return isinstance(value, list) and len(value) == layers and all(isinstance(each, kind) for each in value)


def _narrow(config: Any) -> Any:  # noqa: ANN401 - as above
    """Shrink every width that has one of the usual names."""
    for key, size in SMALL.items():
        if isinstance(value := getattr(config, key, None), int) and value > size:
            setattr(config, key, size)
    for key in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(config, key, None)
    return config
