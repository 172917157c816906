"""What a configuration of LLaVA's original layout says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remgcl import WeightsError, read_json

ASPECTS = {"pad": "pad", "square": "crop", None: "crop"}
"""How LLaVA calls what is done to an image, and how a recipe does."""

ARCHITECTURE = re.compile(r"Llava(\w+?)ForCausalLM")

OWN_KEYS = re.compile(
    r"mm_|tune_mm_|use_mm_|freeze_mm_|unfreeze_mm_|image_|tokenizer_|_name_or_path$|auto_map$|transformers_version$"
    r"|architectures$|model_type$|pretraining_tp$|use_cache$|torch_dtype$|dtype$|vision_tower|s2"
)
"""Keys that are not the language model's."""


def is_original(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration is of the original layout; never by `model_type`, which others use too.

    Args:
        config: What ``config.json`` holds.
    """
    return "mm_vision_tower" in config or any(ARCHITECTURE.fullmatch(str(name)) for name in _architectures(config))


def config_of(folder: Path) -> dict[str, Any]:
    """Read the configuration of a folder, and refuse what is not supported.

    Args:
        folder: The folder.

    Raises:
        WeightsError: There is none, or it sets something unsupported.
    """
    config = read_json(str(folder), "config.json")
    if config is None:
        raise WeightsError(f"{folder}: is no model; there is no config.json")
    aspect = config.get("image_aspect_ratio")
    if aspect not in ASPECTS:
        next_ = " (LLaVA 1.6)" if str(aspect).startswith("anyres") else ""
        raise WeightsError(
            f"{folder}: image_aspect_ratio: {aspect!r}{next_} is not supported; there is 'pad', 'square'"
        )
    if config.get("s2"):
        raise WeightsError(f"{folder}: s2: towers at several scales are not supported")
    if config.get("mm_vision_select_feature", "patch") not in ("patch", "cls_patch"):
        feature = config["mm_vision_select_feature"]
        raise WeightsError(f"{folder}: mm_vision_select_feature: cannot be {feature!r}; there is 'patch', 'cls_patch'")
    return config


def language_config(config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Return the configuration of the language model alone.

    Args:
        config: The configuration.
        where: What is read, for errors.

    Raises:
        WeightsError: It names no language model.
    """
    kind = next((found[1] for name in _architectures(config) if (found := ARCHITECTURE.fullmatch(str(name)))), None)
    if kind is None:
        kind = str(config.get("model_type", "llava")).partition("_")[2] or "Llama"
    model_type = {"qwen": "qwen2"}.get(kind.lower(), kind.lower())
    own = {key: value for key, value in config.items() if not OWN_KEYS.match(key)}
    if not own:
        raise WeightsError(f"{where}: its config.json does not describe the language model")
    return {**own, "model_type": model_type}


def tower_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return layer and tokens of the tower that are used.

    Args:
        config: The configuration.
    """
    return {
        "layer": config.get("mm_vision_select_layer", -2),
        "select": config.get("mm_vision_select_feature", "patch"),
    }


def stage_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a stage that the configuration decides.

    Args:
        config: The configuration.
    """
    longest = config.get("tokenizer_model_max_length") or config.get("max_position_embeddings") or 2048
    return {
        "template": "v1",
        "image_aspect": ASPECTS[config.get("image_aspect_ratio")],
        "max_length": min(longest, config.get("max_position_embeddings") or longest),
        "train": ["projector"],
        "data": "none",
    }


def _architectures(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(config.get("architectures") or ())
