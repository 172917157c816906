"""Checks, by configuration, that a language model of transformers can read embeddings of an image within a text."""

from __future__ import annotations

from inspect import signature
from typing import Any

from remgcl import WeightsError


def class_of(config: Any) -> Any:  # noqa: ANN401 - transformers' classes are untyped
    """Find the class of language models that a configuration builds, or None; it is not built.

    Args:
        config: The configuration.
    """
    from transformers import AutoModelForCausalLM

    kind = AutoModelForCausalLM._model_mapping.get(type(config), None)  # noqa: SLF001 - there is no public way
    return kind[0] if isinstance(kind, tuple) else kind


def attention_of(config: Any, wanted: str) -> str:  # noqa: ANN401 - as above
    """Choose the implementation of attention: where a model has no ``sdpa``, ``eager``.

    Args:
        config: The model's configuration.
        wanted: The implementation that is asked for.

    Raises:
        WeightsError: The model has no such implementation, and ``sdpa`` was not asked for.
    """
    kind = class_of(config)
    if kind is None or wanted == "eager":
        return wanted
    there = {
        "eager": True,
        "sdpa": kind._supports_sdpa,  # noqa: SLF001 - there is no public way
        "flash_attention_2": kind._supports_flash_attn,  # noqa: SLF001 - as above
        "xformers": kind._supports_sdpa and kind._supports_attention_backend,  # noqa: SLF001 - as above
    }
    if there[wanted]:
        return wanted
    if wanted == "sdpa":
        return "eager"
    known = " and ".join(name for name, supported in there.items() if supported)
    raise WeightsError(
        f"attention: {wanted!r} is not implemented for {kind.__name__} of transformers; there is {known}"
    )


def verify_suitable(weights: str, config: Any) -> None:  # noqa: ANN401 - transformers' configurations are untyped
    """Verify that a model is a language model that needs nothing but embeddings.

    Args:
        weights: Folder or hub id, for errors.
        config: Its configuration.

    Raises:
        WeightsError: It is a multimodal model, needs more than embeddings, or cannot generate from them.
    """

    def refuse(key: str, what: str) -> WeightsError:
        return WeightsError(f"weights {weights!r}: config.json: {key}: {getattr(config, key)!r} {what}")

    try:
        text = config.get_text_config()
    except ValueError:  # there are several
        text = None
    if type(text) is not type(config):
        around = "several language models" if text is None else f"a {text.model_type!r}"
        raise refuse(
            "model_type",
            f"is a multimodal model around {around}, and only a language model can be the backbone; "
            "`remgcl import` makes parts of a multimodal model",
        )
    if getattr(config, "hidden_size_per_layer_input", None):
        raise refuse(
            "hidden_size_per_layer_input",
            "means that every layer looks up each token once more, and an image has no tokens to look up; "
            "choose a model without per-layer embeddings",
        )
    narrow = getattr(config, "word_embed_proj_dim", None)
    if narrow is not None and narrow != config.hidden_size:
        raise refuse(
            "word_embed_proj_dim",
            f"is not the width of the layers, where losses compare; there is hidden_size {config.hidden_size}",
        )
    kind = class_of(config)
    if kind is None:
        raise refuse("model_type", "is no causal language model of transformers; choose one")
    if "inputs_embeds" not in signature(kind.prepare_inputs_for_generation).parameters:
        raise refuse(
            "model_type",
            f"cannot answer about an image, as {kind.__name__} of transformers does not generate from embeddings; "
            "choose another model",
        )
