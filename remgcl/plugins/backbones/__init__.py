"""Backbones: the language model and its tokenizer."""

from collections.abc import Mapping

from remgcl import Backbone, hookimpl
from remgcl.plugins.backbones.causal_lm import CausalLM
from remgcl.plugins.backbones.tiny import TinyBackbone


@hookimpl
def remgcl_register_backbones() -> Mapping[str, type[Backbone]]:
    """Name the built-in backbones."""
    return {"causal_lm": CausalLM, "tiny": TinyBackbone}
