"""Writing a model as a folder of LLaVA's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from remgcl import ExportedModel, WeightsError, write_file
from remgcl.plugins.formats.exported_parts import language_config, projector_of, tower_of
from remgcl.plugins.formats.language import TABLES

ARCHITECTURES = {
    "llama": "LlavaLlamaForCausalLM",
    "mistral": "LlavaMistralForCausalLM",
    "qwen2": "LlavaQwen2ForCausalLM",
    "qwen3": "LlavaQwen3ForCausalLM",
}

ASPECTS = {"pad": "pad", "crop": "square"}

TOWER = "vision_tower"
"""The folder of the tower, beside the weights."""


def write_original(model: ExportedModel, folder: Path) -> None:
    """Write weights, configuration and tokenizer, and the tower in a subfolder.

    Args:
        model: The model.
        folder: An empty folder.

    Raises:
        WeightsError: The layout cannot hold the model.
    """
    tower, seen, layer = tower_of(model)
    kind = projector_of(model, "llava")
    text = language_config(model)
    if text["model_type"] not in ARCHITECTURES:
        raise WeightsError(
            f"backbone: {text['model_type']!r} cannot be written as 'llava', which holds {sorted(ARCHITECTURES)}; "
            "'transformers-llava' can hold it"
        )
    aspect = model.tables["image_aspect"]
    if aspect not in ASPECTS:
        raise WeightsError(f"image_aspect: {aspect!r} cannot be written as 'llava', which holds {sorted(ASPECTS)}; "
                           "'transformers-llava' can hold it")  # fmt: skip
    tensors = dict(model.tensors["backbone"])
    tensors |= {f"model.mm_projector.{name}": tensor for name, tensor in model.tensors["projector"].items()}
    write_file(folder / "model.safetensors", tensors)
    config: dict[str, Any] = {
        **text,
        "architectures": [ARCHITECTURES[text["model_type"]]],
        "model_type": f"llava_{text['model_type']}",
        "torch_dtype": tensors[TABLES[0]].dtype,
        "mm_vision_tower": TOWER,
        "mm_projector_type": kind,
        "mm_hidden_size": seen["hidden_size"],
        "mm_vision_select_layer": layer,
        "mm_vision_select_feature": model.tables["vision_tower"].get("select", "patch"),
        "mm_use_im_start_end": bool(model.tables["backbone"].get("image_markers")),
        "mm_use_im_patch_token": False,
        "use_mm_proj": True,
        "image_aspect_ratio": ASPECTS[aspect],
        "tokenizer_padding_side": "right",
        "tokenizer_model_max_length": model.tables["max_length"],
    }
    _write(folder / "config.json", config)
    model.tokenizer.save_pretrained(folder)
    beside = folder / TOWER
    beside.mkdir()
    write_file(beside / "model.safetensors", tower)
    _write(
        beside / "config.json",
        {**seen, "architectures": ["CLIPVisionModel" if "clip" in seen["model_type"] else "SiglipVisionModel"]},
    )
    edge, (mean, std) = seen["image_size"], model.colours
    _write(
        beside / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": edge},
            "do_center_crop": True,
            "crop_size": {"height": edge, "width": edge},
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(mean),
            "image_std": list(std),
            "do_convert_rgb": True,
        },
    )


def _write(file: Path, held: dict[str, Any]) -> None:
    file.write_text(json.dumps(held, indent=2, default=str) + "\n", encoding="utf-8")
