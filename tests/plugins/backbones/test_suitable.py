"""Language models of transformers that cannot be a backbone are refused by file and key, before any training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from remgcl import WeightsError
from remgcl.core.model.trial import try_backbone
from remgcl.plugins.backbones import CausalLM
from remgcl.plugins.backbones.suitable import attention_of, verify_suitable

SHAPE = {
    "vocab_size": 264,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
GPT2 = {"vocab_size": 264, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}


def config(kind: str, **more: Any) -> Any:  # noqa: ANN401 - settings of any configuration
    """Make a small configuration of a family."""
    return CONFIG_MAPPING[kind](**{**SHAPE, **more})


@pytest.mark.parametrize(
    ("made", "key", "what"),
    [
        (
            lambda: CONFIG_MAPPING["gemma3"](text_config=SHAPE, vision_config=VISION),
            "model_type",
            "'gemma3' is a multi",
        ),
        (
            lambda: CONFIG_MAPPING["llava"](text_config=SHAPE | {"model_type": "llama"}),
            "model_type",
            "'llava' is a multi",
        ),
        (
            lambda: CONFIG_MAPPING["qwen2_vl"](text_config=SHAPE),
            "model_type",
            "'qwen2_vl' is a multimodal model around",
        ),
        (lambda: config("gemma3n_text", num_hidden_layers=2), "hidden_size_per_layer_input", "256 means that every"),
        (lambda: config("gemma4_text"), "hidden_size_per_layer_input", "256 means that every"),
        (lambda: config("opt", word_embed_proj_dim=16), "word_embed_proj_dim", "16 is not the width of the layers, "),
        (
            lambda: config("bamba", mamba_n_heads=4, mamba_d_head=16),
            "model_type",
            "'bamba' cannot answer about an image, as BambaForCausalLM of",
        ),
        (CONFIG_MAPPING["t5"], "model_type", "'t5' is no causal language model of transformers; choose one"),
        (CONFIG_MAPPING["chameleon"], "model_type", "'chameleon' is no causal language model"),
        (
            lambda: CONFIG_MAPPING["musicgen"](
                text_encoder={"model_type": "t5"}, audio_encoder={"model_type": "encodec"}
            ),
            "model_type",
            "'musicgen' is a multimodal model around several language models",
        ),
        (lambda: config("falcon_h1"), "model_type", "'falcon_h1' cannot answer"),
        (CONFIG_MAPPING["nemotron_h"], "model_type", "'nemotron_h' cannot answer"),
    ],
    ids=[
        "gemma3",
        "llava",
        "qwen2_vl",
        "gemma3n",
        "gemma4",
        "opt-350m",
        "bamba",
        "t5",
        "chameleon",
        "musicgen",
        "falcon_h1",
        "nemotron_h",
    ],
)
def test_what_cannot_be_a_backbone_is_refused_with_the_key_that_says_so(
    made: Callable[[], Any], key: str, what: str
) -> None:
    with pytest.raises(WeightsError, match=rf"^weights 'w': config.json: {key}: {what}"):
        verify_suitable("w", made())


def test_a_multimodal_folder_is_built_as_one_class_both_ways_and_refused_by_verify(tmp_path: Path) -> None:
    made = AutoModelForCausalLM.from_config(CONFIG_MAPPING["gemma3"](text_config=SHAPE, vision_config=VISION))
    made.save_pretrained(tmp_path)
    part = CausalLM(weights=str(tmp_path))
    there = part.build()
    assert type(part.build(pretrained=False)) is type(there)
    assert part.parameters() == sum(parameter.numel() for parameter in there.parameters())
    with pytest.raises(
        WeightsError, match=r"'gemma3' is a multimodal model around a 'gemma3_text', .* `remgcl import`"
    ):
        part.verify()


@pytest.mark.parametrize(
    "kind", ["llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "opt", "qwen3_moe", "gpt_neox"]
)
def test_language_models_are_suitable_and_stand_the_trial_in_small(kind: str, tmp_path: Path) -> None:
    made = config(kind, **({"word_embed_proj_dim": 32, "ffn_dim": 48} if kind == "opt" else {}))
    verify_suitable("w", made)
    made.save_pretrained(tmp_path)
    small = CausalLM(weights=str(tmp_path)).build_miniature()
    assert small is not None
    assert small.config.num_hidden_layers == 2
    try_backbone(small)


@pytest.mark.parametrize(
    ("kind", "layers"), [("qwen3_next", 4), ("gpt_oss", 2), ("gemma3_text", 6), ("recurrent_gemma", 3), ("llama", 2)]
)
def test_a_miniature_has_a_layer_of_each_kind(kind: str, layers: int, tmp_path: Path) -> None:
    """Two layers of Qwen3-Next have no attention, without which nothing generates."""
    made = CONFIG_MAPPING[kind]()
    made.save_pretrained(tmp_path)
    small = CausalLM(weights=str(tmp_path)).build_miniature()
    assert small is not None
    assert small.config.num_hidden_layers == layers
    try_backbone(small)


def test_a_word_as_long_as_there_are_layers_is_no_list_of_layers(tmp_path: Path) -> None:
    config("llama", num_hidden_layers=4).save_pretrained(tmp_path)  # "silu"
    small = CausalLM(weights=str(tmp_path)).build_miniature()
    assert small is not None
    assert small.config.hidden_act == "silu"


@pytest.mark.parametrize("kind", ["gemma2", "gpt_oss"])
def test_a_model_without_sdpa_attends_eagerly_and_names_what_there_is(kind: str, tmp_path: Path) -> None:
    made = config(kind, num_hidden_layers=2)
    AutoModelForCausalLM.from_config(made).save_pretrained(tmp_path)
    part = CausalLM(weights=str(tmp_path))
    part.verify()
    for built in (part.build(), part.build(pretrained=False)):
        assert built.config._attn_implementation == "eager"
    with pytest.raises(WeightsError, match=r"^attention: 'xformers' is not implemented for \w+ForCausalLM of transfor"):
        attention_of(made, "xformers")


def test_attention_is_the_one_that_is_asked_for_where_the_model_has_it() -> None:
    for wanted in ("sdpa", "eager", "flash_attention_2", "xformers"):
        assert attention_of(config("llama"), wanted) == wanted


def test_a_large_model_is_tried_in_small(tmp_path: Path) -> None:
    CONFIG_MAPPING["llama"]().save_pretrained(tmp_path)  # 7 billion parameters
    small = CausalLM(weights=str(tmp_path)).build_miniature()
    assert small is not None
    assert sum(parameter.numel() for parameter in small.parameters()) < 200_000
    try_backbone(small)


@pytest.mark.parametrize(("made", "learned"), [(CONFIG_MAPPING["gpt2"](**GPT2), True), (config("llama"), False)])
def test_positions_are_learned_where_there_is_a_table_of_them(made: Any, learned: bool, tmp_path: Path) -> None:  # noqa: ANN401, FBT001 - each case
    made.save_pretrained(tmp_path)
    assert CausalLM(weights=str(tmp_path)).learns_positions() is learned
