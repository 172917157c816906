"""LoRA checkpoints of LLaVA's own code: adapters, what learned beside them, and a base."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl import Format, Published, StoredTensor, WeightsError, read_file, read_folder, read_json, short
from remgcl.plugins.formats.llava import PROJECTOR, published
from remgcl.plugins.formats.original import config_of, is_original
from remgcl.plugins.formats.prefixes import unwrapped
from remgcl.plugins.formats.tokenizers import OWN, tokenizer_files

if TYPE_CHECKING:
    from torch import Tensor

ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
BESIDE = "non_lora_trainables.bin"

UNSUPPORTED = {
    "use_dora": "DoRA",
    "fan_in_fan_out": "transposed weights",
    "modules_to_save": "modules saved whole",
    "megatron_config_used": "Megatron",
}
"""Settings of PEFT that change what an adapter means."""


@frozen(kw_only=True)
class LlavaLora(Format):
    """A LoRA folder of LLaVA's own code; the adapters are merged into the base, in float32.

    The base is the language model or the LLaVA folder that it was trained on, named with ``--base``.
    """

    completed_by = frozenset({"base", "tower"})

    def detect(self, source: Path) -> bool:
        """Look for ``adapter_config.json`` beside a configuration of LLaVA's."""
        if not source.is_dir() or not (source / "adapter_config.json").is_file():
            return False
        config = read_json(str(source), "config.json")
        return (source / BESIDE).is_file() or (config is not None and is_original(config))

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read adapters, base and what learned beside the adapters."""
        settings = read_json(str(source), "adapter_config.json") or {}
        if base is None:
            raise WeightsError(
                f"{source}: holds adapters; name the model that they were trained on with --base (the folder says "
                f"{settings.get('base_model_name_or_path')!r}, a path of its trainer)"
            )
        if not Path(base).is_dir():
            raise WeightsError(f"{base}: there is no such folder; --base names the folder that the adapters build on")
        config = config_of(source)
        tensors = dict(read_folder(Path(base)))
        if (source / BESIDE).is_file():
            tensors |= unwrapped(read_file(source / BESIDE))
        if not any(name.startswith(PROJECTOR) for name in tensors) and config.get("mm_projector_type") != "identity":
            raise WeightsError(f"{source}: lacks {BESIDE}, and {base} holds no projector either")
        tensors = _merged(source, settings, tensors)
        own = any((source / name).is_file() for name in OWN)
        tokenizer = tokenizer_files(source if own else Path(base))
        beside = _beside(source, Path(base), config, tower)
        return published(source, config, tensors, tower=tower, tokenizer=tokenizer, beside=beside)


def _beside(source: Path, base: Path, config: Mapping[str, Any], tower: str | None) -> Path:
    """Choose the folder that the tower may lie beside: that of the adapters, else that of the base."""
    name = str(tower or config.get("mm_vision_tower"))
    return source if any((at / name).is_dir() for at in (source, source.parent)) else base


def _merged(source: Path, settings: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Add each adapter to the weight that it adapts: `W + scale B A`."""
    wrong = [f"{key} ({what})" for key, what in UNSUPPORTED.items() if settings.get(key)]
    if wrong or settings.get("peft_type", "LORA") != "LORA" or settings.get("bias", "none") != "none":
        wrong += [f"{key} = {settings[key]!r}" for key in ("peft_type", "bias") if key in settings]
        raise WeightsError(f"{source}: its adapters are not supported; {', '.join(wrong)}")
    file = next((source / name for name in ADAPTERS if (source / name).is_file()), None)
    if file is None:
        raise WeightsError(f"{source}: lacks its adapters; expected {' or '.join(ADAPTERS)}")
    halves: dict[str, dict[str, StoredTensor]] = {}
    unknown = []
    for name, each in read_file(file).items():
        target, _, half = name.removeprefix("base_model.model.").removesuffix(".weight").partition(".lora_")
        weight, half = f"{target}.weight", half.removesuffix(".default")
        if half not in ("A", "B") or weight not in tensors:
            unknown.append(name)
        else:
            halves.setdefault(weight, {})[half] = each
    if unknown:
        raise WeightsError(f"{file}: holds adapters of weights that the language model does not have: {short(unknown)}")
    alone = [name for name, pair in halves.items() if len(pair) < 2]  # noqa: PLR2004 - a pair
    if alone or not halves:
        raise WeightsError(f"{file}: lacks one half of adapters: {short(alone)}")
    merged = {name: _add(tensors[name], pair, _scale(settings, name, pair)) for name, pair in halves.items()}
    return {**tensors, **merged}


def _scale(settings: Mapping[str, Any], name: str, pair: Mapping[str, StoredTensor]) -> float:
    """Return the scale of an adapter: alpha over its rank, or over the rank's root."""
    module = name.removesuffix(".weight")
    alpha = next(
        (value for key, value in (settings.get("alpha_pattern") or {}).items() if module.endswith(key)),
        settings["lora_alpha"],
    )
    rank = pair["A"].shape[0]
    return float(alpha) / (sqrt(rank) if settings.get("use_rslora") else rank)


def _add(weight: StoredTensor, pair: Mapping[str, StoredTensor], scale: float) -> StoredTensor:
    """Merge lazily; in float32, so that no adapter of this size is lost by rounding."""
    first, second = pair["A"], pair["B"]
    if (second.shape[0], first.shape[1]) != weight.shape:
        raise WeightsError(f"adapter of shape {second.shape} x {first.shape} does not fit a weight of {weight.shape}")

    def read(weight: StoredTensor) -> Tensor:
        return weight.read().float() + scale * (second.read().float() @ first.read().float())

    return StoredTensor(shape=weight.shape, dtype="float32", read=partial(read, weight))
