"""Writing a model as transformers' `LlavaForConditionalGeneration`, in the layout of the hub.

By hand, as `save_pretrained` of recent releases writes names that earlier ones do not read: they would leave the tower
random with a warning alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remgcl import ExportedModel, StoredTensor, WeightsError, stored, write_file
from remgcl.plugins.formats.exported_parts import language_config, projector_of, tower_of
from remgcl.plugins.formats.language import TABLES

if TYPE_CHECKING:
    from torch import Tensor

MULTIPLE = 64
"""Rows of the embeddings are filled up to a multiple of so many."""


def write_hub(model: ExportedModel, folder: Path) -> None:
    """Write weights, configurations, tokenizer, processor and chat template.

    Args:
        model: The model.
        folder: An empty folder.

    Raises:
        WeightsError: The layout cannot hold the model.
    """
    tower, seen, layer = tower_of(model)
    text = language_config(model)
    projector, activation = _projector(model, seen["hidden_size"], text["hidden_size"])
    known = len(model.tokenizer)
    rows = max(known + 2, text["vocab_size"])
    rows += -rows % MULTIPLE
    tensors: dict[str, StoredTensor] = {}
    for name, tensor in model.tensors["backbone"].items():
        tensors[f"language_model.{name}"] = _filled(tensor, known, rows) if name in TABLES else tensor
    tensors |= {f"multi_modal_projector.{name}": tensor for name, tensor in projector.items()}
    tensors |= {f"vision_tower.{name}": tensor for name, tensor in tower.items()}
    write_file(folder / "model.safetensors", tensors)
    tokenizer, image, pad = _tokenizer(model.tokenizer)
    if image != known:
        raise WeightsError(f"tokenizer: gives <image> the id {image}; {known} is the first that is free")
    strategy = "default" if model.tables["vision_tower"].get("select") == "patch" else "full"
    dtype = tensors[f"language_model.{TABLES[0]}"].dtype
    config = {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "image_token_index": image,
        "image_seq_length": model.patches,
        "pad_token_id": pad,
        "projector_hidden_act": activation,
        "multimodal_projector_bias": True,
        "vision_feature_layer": layer,
        "vision_feature_select_strategy": strategy,
        "tie_word_embeddings": bool(text.get("tie_word_embeddings", False)),
        "torch_dtype": dtype,
        "text_config": {**text, "vocab_size": rows, "torch_dtype": dtype},
        "vision_config": seen,
    }
    _write(folder / "config.json", config)
    ends = {key: text.get(key) for key in ("bos_token_id", "eos_token_id")}
    _write(folder / "generation_config.json", {**ends, "pad_token_id": pad})
    tokenizer.save_pretrained(folder)
    _settle(folder / "tokenizer_config.json", model.tokenizer)
    _processor(model, folder, seen, strategy)
    template = chat_template(model.tables["template"], markers=bool(model.tables["backbone"].get("image_markers")))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def _projector(model: ExportedModel, seen: int, width: int) -> tuple[dict[str, StoredTensor], str]:
    """Write the projector as linear, activation, linear: the only form that the layout has.

    One linear map is exact with GELU too: `gelu(x) - gelu(-x) = x`, so `[I; -I; 0]` and then `[W, -W, 0]`.
    """
    import torch

    own = model.tensors["projector"]
    name = projector_of(model, "transformers-llava")
    if name == "mlp2x_gelu":
        return {f"linear_{1 + int(key[0]) // 2}.{key[2:]}": tensor for key, tensor in own.items()}, "gelu"
    if name != "linear":
        raise WeightsError(
            f"projector: {name!r} cannot be written as 'transformers-llava', which holds 'mlp2x_gelu' and 'linear'; "
            "'llava' can hold it"
        )
    weight, bias = own["weight"].read(), own["bias"].read()
    dtype = weight.dtype
    if width < 2 * seen:
        one = {"weight": torch.eye(width, dtype=dtype), "bias": torch.zeros(width, dtype=dtype)}
        first, second, activation = {"weight": weight, "bias": bias}, one, "linear"
    else:
        eye, rest = torch.eye(seen, dtype=dtype), width - 2 * seen
        first = {
            "weight": torch.cat([eye, -eye, torch.zeros(rest, seen, dtype=dtype)]),
            "bias": torch.zeros(width, dtype=dtype),
        }
        second = {"weight": torch.cat([weight, -weight, torch.zeros(width, rest, dtype=dtype)], dim=1), "bias": bias}
        activation = "gelu"
    both = {"linear_1": first, "linear_2": second}
    return {f"{at}.{key}": stored(tensor) for at, part in both.items() for key, tensor in part.items()}, activation


def _filled(tensor: StoredTensor, known: int, rows: int) -> StoredTensor:
    """Fill a table of tokens up: rows that no token has are the mean of the others, which never wins."""

    def read() -> Tensor:
        import torch

        held = tensor.read()[:known]
        mean = held.float().mean(dim=0, keepdim=True).to(held.dtype)
        return torch.cat([held, mean.expand(rows - len(held), -1)])

    return StoredTensor(shape=(rows, *tensor.shape[1:]), dtype=tensor.dtype, read=read)


def _tokenizer(tokenizer: Any) -> tuple[Any, int, int]:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Add the tokens of the image and of padding; batches are padded on the left."""
    from transformers import AddedToken

    changed = deepcopy(tokenizer)
    for token in ("<image>", "<pad>"):
        changed.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    changed.pad_token, changed.padding_side, changed.chat_template = "<pad>", "left", None
    return changed, changed.convert_tokens_to_ids("<image>"), changed.convert_tokens_to_ids("<pad>")


def _settle(file: Path, tokenizer: Any) -> None:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Keep `legacy`: without it the text after an image loses its first token."""
    held = json.loads(file.read_text(encoding="utf-8"))
    if "Llama" in type(tokenizer).__name__:
        held |= {"legacy": True, "add_prefix_space": True}
    _write(file, {**held, "processor_class": "LlavaProcessor"})


def _processor(model: ExportedModel, folder: Path, seen: Mapping[str, Any], strategy: str) -> None:
    """Write how images are prepared, and how many tokens they take."""
    edge = seen["image_size"]
    aspect = model.tables["image_aspect"]
    square = {"height": edge, "width": edge}
    mean, std = model.colours
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "LlavaImageProcessor" if aspect == "pad" else "CLIPImageProcessor",
            "processor_class": "LlavaProcessor",
            "do_pad": aspect == "pad",
            "do_resize": True,
            "size": square if aspect == "stretch" else {"shortest_edge": edge},
            "do_center_crop": aspect != "stretch",
            "crop_size": square,
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(mean),
            "image_std": list(std),
            "do_convert_rgb": True,
        },
    )
    _write(
        folder / "processor_config.json",
        {
            "processor_class": "LlavaProcessor",
            "image_token": "<image>",
            "patch_size": seen["patch_size"],
            "num_additional_image_tokens": int("clip" in seen["model_type"]),
            "vision_feature_select_strategy": strategy,
        },
    )


def chat_template(table: Mapping[str, Any], *, markers: bool) -> str | None:
    """Write a template of Vicuna's form as Jinja; None for others.

    Args:
        table: The template's table.
        markers: Whether the image is enclosed in two tokens of its own.
    """
    if table["use"] not in ("v1", "llava_v1"):
        return None
    image = "<im_start><image><im_end>" if markers else "<image>"
    system = json.dumps(table.get("system", ""), ensure_ascii=False)
    return (
        "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] if messages[0]['content'] is "
        "string else messages[0]['content'][0]['text'] %}{% set messages = messages[1:] %}{% else %}{% set system = "
        + system
        + " %}{% endif %}{% if system %}{{ system + ' ' }}{% endif %}{% for message in messages %}"
        "{% if message['role'] == 'user' %}{{ 'USER: ' }}{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}{% for part in message['content'] if part['type'] == 'image' %}{{ '" + image + "\\n' }}{% endfor %}"
        "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
        "{{ ' ' }}{% else %}{{ 'ASSISTANT: ' }}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}{{ eos_token or '</s>' }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )


def _write(file: Path, held: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(held, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
