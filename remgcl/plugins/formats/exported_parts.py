"""What every format that is written needs of a model: its parts by their published names, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from remgcl import ExportedModel, StoredTensor, WeightsError
from remgcl.plugins.formats.projectors import name_of

TOWERS = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}

LAYER = re.compile(r"vision_model\.encoder\.layers\.(\d+)\.")


def tower_of(model: ExportedModel) -> tuple[dict[str, StoredTensor], dict[str, Any], int]:
    """Return a tower's tensors as ``vision_model.NAME``, its configuration, and the layer that is used.

    Args:
        model: The model.

    Raises:
        WeightsError: No published layout holds such a tower.
    """
    table = model.tables["vision_tower"]
    if table["use"] not in TOWERS:
        raise WeightsError(
            f"vision_tower: {table['use']!r} cannot be exported; formats hold 'clip' and 'siglip', "
            "a run folder holds any"
        )
    tensors = {}
    for name, tensor in model.tensors["vision_tower"].items():
        bare = name.removeprefix("model.")
        inside = f"vision_model.{bare.removeprefix('vision_model.')}"
        if not bare.startswith(("text_model.", "logit_", "text_projection", "visual_projection")):
            tensors[inside] = tensor
    config = {key: value for key, value in model.configs["vision_tower"].items() if key != "transformers_version"}
    layers = 1 + max(int(found[1]) for name in tensors if (found := LAYER.match(name)))
    full = config["num_hidden_layers"]
    wanted = table["layer"] if table["layer"] >= 0 else full + 1 + table["layer"]
    config |= {"num_hidden_layers": layers, "model_type": TOWERS[table["use"]]}
    return tensors, config, wanted - (layers + 1)


def projector_of(model: ExportedModel, which: str) -> str:
    """Return LLaVA's name of the projector.

    Args:
        model: The model.
        which: The format, for errors.

    Raises:
        WeightsError: LLaVA has no such projector.
    """
    name = name_of(model.tables["projector"])
    if name is None:
        use = model.tables["projector"]["use"]
        raise WeightsError(f"projector: {use!r} cannot be written as {which!r}, nor as any other format")
    return name


def language_config(model: ExportedModel) -> dict[str, Any]:
    """Return the configuration of the language model, with the keys that older releases read.

    Args:
        model: The model.
    """
    config = {key: value for key, value in model.configs["backbone"].items() if key != "transformers_version"}
    rope: Mapping[str, Any] = config.get("rope_parameters") or {}
    if "rope_theta" in rope:
        config["rope_theta"] = rope["rope_theta"]
        if rope.get("rope_type", "default") != "default":
            config["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
        config.pop("rope_parameters")
    return config
