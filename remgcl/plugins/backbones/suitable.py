"""Which language models of transformers can read an image's embeddings among a text's, told by their configuration."""

from __future__ import annotations

from inspect import signature
from typing import Any

from remgcl import WeightsError


def verify_suitable(weights: str, config: Any) -> None:  # noqa: ANN401 - transformers' configurations are untyped
    """Make sure that a model is a language model that needs nothing but embeddings.

    Args:
        weights: Folder or hub id, for errors.
        config: Its configuration.

    Raises:
        WeightsError: It is a multimodal model, needs more than embeddings, or cannot generate from them.
    """
    from transformers import AutoModelForCausalLM

    def refuse(key: str, what: str) -> WeightsError:
        return WeightsError(f"weights {weights!r}: config.json: {key}: {getattr(config, key)!r} {what}")

    text = config.get_text_config()
    if type(text) is not type(config):
        raise refuse(
            "model_type",
            f"is a multimodal model around a {text.model_type!r}, and only a language model can be the backbone; "
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
    kind = AutoModelForCausalLM._model_mapping.get(type(config), None)  # noqa: SLF001 - the class without building it
    kind = kind[0] if isinstance(kind, tuple) else kind
    if kind is not None and "inputs_embeds" not in signature(kind.prepare_inputs_for_generation).parameters:
        raise refuse(
            "model_type",
            f"cannot answer about an image, as {kind.__name__} of transformers does not generate from embeddings; "
            "choose another model",
        )
