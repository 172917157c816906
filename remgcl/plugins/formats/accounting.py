"""Tensors held against the architecture that they should fill: none missing, none left over, all of the right shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from remgcl import StoredTensor, WeightsError, reading_weights, short

if TYPE_CHECKING:
    from torch import nn

Tensors = Mapping[str, StoredTensor]

COMPUTED = ("rotary_emb.inv_freq", "embeddings.position_ids")
"""Ends of names that older checkpoints hold and newer code computes."""


def language_model(config: Mapping[str, Any], where: str) -> dict[str, tuple[int, ...]]:
    """Name the tensors of a causal language model and their shapes.

    Args:
        config: Its configuration, with `model_type`.
        where: What is read, for errors.

    Raises:
        WeightsError: There is no such architecture.
    """
    from transformers import AutoModelForCausalLM

    return _names(where, lambda: AutoModelForCausalLM.from_config(text_config(config, where), trust_remote_code=False))


def text_config(config: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
    """Make the configuration of a language model.

    Args:
        config: Its keys, with `model_type`.
        where: What is read, for errors.

    Raises:
        WeightsError: There is no such architecture, or a key cannot be used.
    """
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = str(config.get("model_type"))
    if kind not in CONFIG_MAPPING_NAMES:
        raise WeightsError(f"{where}: its language model is a {kind!r}, which transformers does not know")
    with reading_weights(where):
        return AutoConfig.for_model(**config)


def vision_model(config: Mapping[str, Any], where: str) -> dict[str, tuple[int, ...]]:
    """Name the tensors of a vision tower and their shapes, as ``vision_model.NAME``.

    Args:
        config: Its configuration, of CLIP or SigLIP.
        where: What is read, for errors.

    Raises:
        WeightsError: The configuration cannot be used.
    """
    import transformers

    family = "Siglip" if "siglip" in config["model_type"] else "CLIP"
    kind, model = (getattr(transformers, f"{family}Vision{what}") for what in ("Config", "Model"))
    names = _names(where, lambda: model(kind.from_dict(dict(config))))
    return {f"vision_model.{name.removeprefix('vision_model.')}": shape for name, shape in names.items()}


def account(
    what: str, found: Tensors, due: Mapping[str, tuple[int, ...]], optional: Callable[[str], bool] = lambda _: False
) -> dict[str, StoredTensor]:
    """Return the tensors of a part, in the order they were found, once every one of them is accounted for.

    Args:
        what: The part and its source, for errors.
        found: The tensors there are.
        due: The names and shapes there should be.
        optional: Tells by its name whether a tensor may be missing.

    Raises:
        WeightsError: Tensors are missing, left over or of another shape.
    """
    found = {name: tensor for name, tensor in found.items() if not name.endswith(COMPUTED)}
    missing = sorted(name for name in due.keys() - found.keys() if not optional(name))
    extra = sorted(found.keys() - due.keys())
    other = [
        f"{name} is {tensor.shape}, not {due[name]}"
        for name, tensor in found.items()
        if name in due and tensor.shape != due[name]
    ]
    faults = [f"lacks tensors: {short(missing)}"] * bool(missing) + [f"holds unknown tensors: {short(extra)}"] * bool(
        extra
    )
    faults += [f"holds tensors of another shape: {'; '.join(other[:5])}"] * bool(other)
    if faults:
        raise WeightsError("\n".join(f"{what}: {each}" for each in faults))
    return dict(found)


def _names(where: str, build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Build a module without memory, and list what it holds."""
    import torch

    with reading_weights(where), torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
