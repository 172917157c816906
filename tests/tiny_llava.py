"""Tiny models with random weights in LLaVA's own layout and in transformers', of any family, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from safetensors.torch import save_file
from torch import Tensor, nn

WIDTH = 64
"""Width of the language model."""

SEEN = 32
"""Width of the vision tower; twice this is WIDTH."""

TEXT = {"hidden_size": WIDTH, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}

ARCHITECTURES = {
    "llama": "LlavaLlamaForCausalLM",
    "mistral": "LlavaMistralForCausalLM",
    "qwen2": "LlavaQwen2ForCausalLM",
    "qwen3": "LlavaQwen3ForCausalLM",
}


@frozen(eq=False)
class Tiny:
    """A model by its parts.

    Attributes:
        tower: The vision tower of transformers.
        projector: The projector of LLaVA.
        language: The causal language model of transformers.
        tokenizer: Its tokenizer.
        markers: Whether the image stands between two tokens.
    """

    tower: nn.Module
    projector: nn.Module
    language: Any
    tokenizer: Any
    markers: bool

    @property
    def is_clip(self) -> bool:
        """Whether the tower has a class token."""
        return type(self.tower).__name__.startswith("CLIP")

    @torch.no_grad()
    def logits(self, before: list[int], after: list[int], pixels: Tensor) -> Tensor:
        """Compute what LLaVA does, by its formula: features of the last layer but one in place of the image.

        Args:
            before: Tokens before the image.
            after: Tokens after it.
            pixels: Its pixels `[1, 3, H, W]`.

        Returns:
            Logits `[T, V]`.
        """
        hidden = self.tower(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
        image = self.projector(hidden[:, 1:] if self.is_clip else hidden)[0]
        table = self.language.get_input_embeddings().weight
        embeddings = torch.cat([table[before], image, table[after]])
        held: Tensor = self.language(inputs_embeds=embeddings[None]).logits[0]
        return held


def tiny(
    family: str = "llama", tower: str = "clip", projector: str = "mlp2x_gelu", *, markers: bool = False, seed: int = 0
) -> Tiny:
    """Make a model with random weights.

    Args:
        family: The family of its language model.
        tower: The family of its tower.
        projector: LLaVA's name of its projector.
        markers: Whether the image stands between two tokens.
        seed: Of the weights.
    """
    import transformers
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    tokenizer = _tokenizer(markers=markers)
    more = {"head_dim": 16} if family == "qwen3" else {}
    config = AutoConfig.for_model(
        family,
        **TEXT,
        **more,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=False,
    )
    kind = {"clip": "CLIP", "siglip": "Siglip"}[tower]
    seen = getattr(transformers, f"{kind}VisionConfig")(
        hidden_size=SEEN, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=8
    )
    layers: list[nn.Module] = [nn.Linear(SEEN, WIDTH)]
    if projector == "mlp2x_gelu":
        layers += [nn.GELU(), nn.Linear(WIDTH, WIDTH)]
    return Tiny(
        getattr(transformers, f"{kind}VisionModel")(seen).eval(),
        nn.Sequential(*layers) if len(layers) > 1 else layers[0],
        AutoModelForCausalLM.from_config(config).eval(),
        tokenizer,
        markers,
    )


def original(model: Tiny, folder: Path, **keys: object) -> Path:
    """Write a model as LLaVA's own code does, its tower in a folder beside it.

    Args:
        model: The model.
        folder: Where to; it is made.
        keys: Of ``config.json``, in place of what the model says.
    """
    folder.mkdir(parents=True)
    beside = folder.parent / f"{folder.name}-tower"
    tower = {name.removeprefix("vision_model."): each for name, each in model.tower.state_dict().items()}
    beside.mkdir()
    save_file({f"vision_model.{name}": each.contiguous() for name, each in tower.items()}, beside / "model.safetensors")
    (beside / "config.json").write_text(model.tower.config.to_json_string(use_diff=False))  # type: ignore[union-attr, operator]
    tensors = dict(model.language.state_dict())
    tensors |= {f"model.mm_projector.{name}": each for name, each in model.projector.state_dict().items()}
    save_file({name: each.contiguous() for name, each in tensors.items()}, folder / "model.safetensors")
    config = model.language.config.to_dict()
    kind = config.pop("model_type")
    config |= {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": f"llava_{kind}",
        "mm_vision_tower": beside.name,
        "mm_projector_type": "linear" if isinstance(model.projector, nn.Linear) else "mlp2x_gelu",
        "mm_hidden_size": SEEN,
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": model.markers,
        "image_aspect_ratio": "pad",
        "tokenizer_model_max_length": 256,
        **keys,
    }
    (folder / "config.json").write_text(json.dumps(config))
    model.tokenizer.save_pretrained(folder)
    return folder


def projector_alone(model: Tiny, file: Path) -> Path:
    """Write a projector as LLaVA's pretraining does.

    Args:
        model: The model.
        file: Where to.
    """
    torch.save({f"model.mm_projector.{name}": each for name, each in model.projector.state_dict().items()}, file)
    return file


def _tokenizer(*, markers: bool) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Make a tokenizer of bytes."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: place for place, name in enumerate(["<s>", "</s>", "<unk>", *letters])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))  # noqa: S106 - no password
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",  # noqa: S106 - no password
        eos_token="</s>",  # noqa: S106 - no password
        unk_token="<unk>",  # noqa: S106 - no password
    )
    if markers:
        tokenizer.add_tokens([AddedToken(name, special=True) for name in ("<im_start>", "<im_end>")])
    return tokenizer
