"""The vision tower of a published model: found by its name, or contained in the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remgcl import PublishedPart, StoredTensor, WeightsError, read_folder, read_json, verify_weights
from remgcl.plugins.formats.accounting import account, vision_model

INSIDE = "vision_model."
"""What the names of a tower's tensors begin with, in files of CLIP and SigLIP."""

UNUSED = ("vision_model.head.", "vision_model.post_layernorm.")
"""Tensors that no hidden layer needs: they may be missing."""


def named_tower(
    name: str, beside: Path, settings: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> PublishedPart:
    """Read the vision tower that a checkpoint names.

    A folder is copied, so that the imported run needs nothing else; a hub id stays a name, unless the checkpoint
    holds the tower's tensors.

    Args:
        name: Its folder or hub id; a folder may lie beside the checkpoint.
        beside: The checkpoint's folder.
        settings: The keys `layer` and `select`.
        tensors: The tower's tensors in the checkpoint, if it holds them.

    Raises:
        WeightsError: It cannot be found or read.
    """
    folder = next((at for at in (Path(name), beside / name, beside.parent / name) if at.is_dir()), None)
    where = str(folder or name)
    try:
        if folder is None:
            verify_weights(name)
        config = read_json(where, "config.json")
    except WeightsError as error:
        raise WeightsError(
            f"{beside}: its vision tower {name!r} cannot be found; name its folder or hub id with --tower; {error}"
        ) from error
    if config is None:
        raise WeightsError(f"{where}: is no vision tower; there is no config.json; name another with --tower")
    processor = read_json(where, "preprocessor_config.json")
    if folder is None and not tensors:
        return PublishedPart(table={**tower_table(config, settings, where), "weights": name})
    if not tensors and folder is not None:
        held = read_folder(folder)
        whole = {key: tensor for key, tensor in held.items() if key.startswith(INSIDE)}
        tensors = whole or {INSIDE + key: tensor for key, tensor in held.items()}
    return contained_tower(config, processor, settings, tensors, where)


def contained_tower(
    config: Mapping[str, Any],
    processor: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
    tensors: Mapping[str, StoredTensor],
    where: str,
) -> PublishedPart:
    """Read a vision tower from its configuration and tensors.

    Args:
        config: Its configuration.
        processor: The configuration of its image processor, if there is one.
        settings: The keys `layer` and `select`.
        tensors: Its tensors, as ``vision_model.NAME``.
        where: What is read, for errors.

    Raises:
        WeightsError: It is of a family that is not supported, or its tensors are not all there.
    """
    config = vision_config(config)
    table = tower_table(config, settings, where)
    due = vision_model(config, where)
    held = account(f"{where}: vision tower", tensors, due, lambda name: name.startswith(UNUSED))
    files = {"config.json": _json(config)}
    if processor is not None:
        files["preprocessor_config.json"] = _json(processor)
    return PublishedPart(table=table, tensors=held, files=files)


def vision_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the vision tower alone, where the text side is beside it.

    Args:
        config: The configuration of CLIP, SigLIP or of one of their towers.
    """
    inner = dict(config.get("vision_config") or config)
    family = "siglip" if "siglip" in str(config.get("model_type", "")) + str(inner.get("model_type", "")) else None
    if family is None and str(inner.get("model_type", "clip")).startswith("clip"):
        family = "clip"
    inner["model_type"] = f"{family}_vision_model" if family else inner.get("model_type")
    return inner


def tower_table(config: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Write the recipe's table of a tower, without its weights.

    Args:
        config: Its configuration.
        settings: The keys `layer` and `select`.
        where: What is read, for errors.

    Raises:
        WeightsError: It is of a family that is not supported.
    """
    kind = vision_config(config)["model_type"]
    if kind == "clip_vision_model":
        return {"use": "clip", **settings}
    if kind == "siglip_vision_model":
        return {"use": "siglip", "layer": settings["layer"]}  # it has no class token to select
    raise WeightsError(f"{where}: its vision tower is a {kind!r}; there is 'clip_vision_model', 'siglip_vision_model'")


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
