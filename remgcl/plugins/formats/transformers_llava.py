"""LLaVA as transformers holds it: `LlavaForConditionalGeneration`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl import ExportedModel, Format, Published, StoredTensor, WeightsError, read_folder, read_json, stored
from remgcl.plugins.formats.chat_template import recognised
from remgcl.plugins.formats.hub_layout import write_hub
from remgcl.plugins.formats.language import TABLES, backbone_part, cut
from remgcl.plugins.formats.llava import RUNNER
from remgcl.plugins.formats.original import is_original
from remgcl.plugins.formats.projectors import projector_part
from remgcl.plugins.formats.tokenizers import added_tokens, tokenizer_files, tokenizer_length, without_tokens
from remgcl.plugins.formats.towers import contained_tower, vision_config

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURE = "LlavaForConditionalGeneration"

DEFAULT_TOWER = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 336,
    "projection_dim": 768,
}
"""The tower of a folder whose ``config.json`` says nothing of one (transformers, `LlavaConfig`)."""

SELECT = {"default": "patch", "full": "cls_patch"}


@frozen(kw_only=True)
class TransformersLlava(Format):
    """A folder of transformers' `LlavaForConditionalGeneration`, in any of the layouts that its releases wrote.

    It holds towers of CLIP and SigLIP, projectors `mlp2x_gelu` and `linear`, and any causal language model. It is
    written in the layout that all releases since 4.36 and vLLM read.
    """

    def detect(self, source: Path) -> bool:
        """Look for the architecture, or `model_type` with a table of the language model, in ``config.json``."""
        if not source.is_dir():
            return False
        config = read_json(str(source), "config.json")
        if config is None or is_original(config):
            return False
        named = str((config.get("architectures") or [""])[0])
        return named.startswith("Llava") or (
            str(config.get("model_type")).startswith("llava") and "text_config" in config
        )

    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read the folder."""
        if base is not None or tower is not None:
            raise WeightsError(f"{source}: holds a whole model; leave --base and --tower out")
        config = read_json(str(source), "config.json") or {}
        _verify(source, config)
        tensors = _sorted(source, read_folder(source))
        seen = config.get("vision_config") or DEFAULT_TOWER
        processor = read_json(str(source), "preprocessor_config.json") or (
            read_json(str(source), "processor_config.json") or {}
        ).get("image_processor")
        settings = {"layer": config.get("vision_feature_layer", -2), "select": _select(source, config, seen)}
        tokenizer, rows = _tokenizer(source, config)
        language = {name: cut(each, rows) if name in TABLES else each for name, each in tensors["language"].items()}
        text = {"model_type": "llama", **(config.get("text_config") or {})}
        text["tie_word_embeddings"] = text.get("tie_word_embeddings", config.get("tie_word_embeddings", False))
        template, note, markers = recognised(source)
        backbone = backbone_part(text, language, tokenizer, source, markers=markers)
        longest = json.loads(backbone.files["config.json"]).get("max_position_embeddings") or 2048
        width = tensors["language"][TABLES[0]].shape[1]
        return Published(
            vision_tower=contained_tower(seen, processor, settings, tensors["tower"], str(source)),
            projector=_projector(source, config, tensors["projector"], width),
            backbone=backbone,
            stage={
                **({} if template is None else {"template": template}),
                "image_aspect": _aspect(source, processor),
                "max_length": min(longest, 2048),
                "train": ["projector"],
                "data": "none",
            },
            runner=RUNNER,
            notes=(note,),
        )

    def write(self, model: ExportedModel, folder: Path) -> None:
        """Write the layout of the hub: read by every release since 4.36, and by vLLM."""
        write_hub(model, folder)


def _verify(source: Path, config: Mapping[str, Any]) -> None:
    """Refuse the kin of LLaVA-1.5 that are built otherwise."""
    named = (config.get("architectures") or [ARCHITECTURE])[0]
    if named != ARCHITECTURE or config.get("model_type", "llava") != "llava":
        next_ = ", as LLaVA 1.6 is" * ("next" in str(named).lower() + str(config.get("model_type")))
        raise WeightsError(f"{source}: is a {named!r}{next_}, which is not supported; there is {ARCHITECTURE!r}")
    if config.get("projector_hidden_act", "gelu") not in ("gelu", "linear"):
        activation = config["projector_hidden_act"]
        raise WeightsError(
            f"{source}: projector_hidden_act: {activation!r} is not supported; there is 'gelu', 'linear'"
        )
    if not isinstance(config.get("vision_feature_layer", -2), int):
        raise WeightsError(f"{source}: vision_feature_layer: several layers are not supported; name one")


def _sorted(source: Path, tensors: Mapping[str, StoredTensor]) -> dict[str, dict[str, StoredTensor]]:
    """Sort tensors into parts, whichever of the layouts they are in."""
    parts: dict[str, dict[str, StoredTensor]] = {"language": {}, "tower": {}, "projector": {}}
    for name, each in tensors.items():
        bare = name.removeprefix("model.")
        kind, _, inner = (bare if bare.partition(".")[0] != name.partition(".")[0] else name).partition(".")
        if kind == "language_model":
            head = inner.removeprefix("model.") if inner.startswith("model.") else inner
            parts["language"][inner if inner.startswith("lm_head.") else f"model.{head}"] = each
        elif kind == "lm_head":
            parts["language"][name] = each
        elif kind == "vision_tower":
            parts["tower"][f"vision_model.{inner.removeprefix('vision_model.')}"] = each
        elif kind == "multi_modal_projector":
            parts["projector"][inner] = each
        elif kind == "image_newline":
            raise WeightsError(f"{source}: holds {name!r}, as LLaVA 1.6 does, whose tiled images are not supported")
        else:
            raise WeightsError(f"{source}: holds an unknown tensor {name!r}")
    return parts


def _projector(source: Path, config: Mapping[str, Any], tensors: Mapping[str, StoredTensor], width: int) -> Any:  # noqa: ANN401 - a PublishedPart
    """Read the projector; one with no activation is one linear map."""
    first, second = tensors.get("linear_1.weight"), tensors.get("linear_2.weight")
    if first is None or second is None:
        raise WeightsError(f"{source}: lacks tensors: 'multi_modal_projector.linear_1' or 'linear_2'")
    named = {name.replace("linear_1.", "0.").replace("linear_2.", "2."): each for name, each in tensors.items()}
    if not config.get("multimodal_projector_bias", True):
        for place, each in (("0", first), ("2", second)):
            named.setdefault(f"{place}.bias", _zeros(each))
    widths = first.shape[1], width
    if config.get("projector_hidden_act", "gelu") == "linear":
        return projector_part("linear", _folded(named), widths, str(source))
    return projector_part("mlp2x_gelu", named, widths, str(source))


def _zeros(weight: StoredTensor) -> StoredTensor:
    import torch

    return stored(torch.zeros(weight.shape[0]))


def _folded(named: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Make one linear map of two."""
    first, second = named["0.weight"], named["2.weight"]

    def weight() -> Tensor:
        return (second.read().double() @ first.read().double()).float()

    def bias() -> Tensor:
        inner = second.read().double() @ named["0.bias"].read().double()
        return (inner + named["2.bias"].read().double()).float()

    shape = (second.shape[0], first.shape[1])
    return {
        "weight": StoredTensor(shape=shape, dtype="float32", read=weight),
        "bias": StoredTensor(shape=shape[:1], dtype="float32", read=partial(bias)),
    }


def _select(source: Path, config: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Return which of the tower's tokens are used."""
    strategy = config.get("vision_feature_select_strategy", "default")
    if strategy not in SELECT:
        raise WeightsError(
            f"{source}: vision_feature_select_strategy: cannot be {strategy!r}; there is 'default', 'full'"
        )
    if "siglip" in vision_config(seen)["model_type"] and strategy == "default":
        raise WeightsError(
            f"{source}: vision_feature_select_strategy: 'default' drops the first patch of a SigLIP tower, which has "
            "no class token; that is not supported, 'full' is"
        )
    return SELECT[strategy]


def _aspect(source: Path, processor: Mapping[str, Any] | None) -> str:
    """Return how an image is made to fit, by the image processor's configuration."""
    if processor is None:
        raise WeightsError(f"{source}: does not describe how images are prepared; there is no preprocessor_config.json")
    if processor.get("image_grid_pinpoints"):
        raise WeightsError(f"{source}: tiles its images, as LLaVA 1.6 does, which is not supported")
    if processor.get("do_pad"):
        return "pad"
    return "crop" if processor.get("do_center_crop") else "stretch"


def _tokenizer(source: Path, config: Mapping[str, Any]) -> tuple[dict[str, bytes], int]:
    """Return the tokenizer without the tokens that only this layout needs, and how many tokens are left."""
    files = tokenizer_files(source)
    image = config.get("image_token_index", config.get("image_token_id", 32000))
    known = tokenizer_length(files)
    added = added_tokens(files)
    own = [name for name, place in added.items() if place >= image and name in ("<image>", "<pad>")]
    if image + len(own) != known:  # other tokens come after it, or it is not a token of the tokenizer
        return files, known
    return without_tokens(files, own), image
