"""Formats: models in published layouts."""

from collections.abc import Mapping

from remgcl import Format, hookimpl
from remgcl.plugins.formats.llava import Llava
from remgcl.plugins.formats.llava_lora import LlavaLora
from remgcl.plugins.formats.mm_projector import MmProjector
from remgcl.plugins.formats.transformers_llava import TransformersLlava


@hookimpl
def remgcl_register_formats() -> Mapping[str, type[Format]]:
    """Name the built-in formats."""
    return {
        "llava": Llava,
        "llava-lora": LlavaLora,
        "mm_projector": MmProjector,
        "transformers-llava": TransformersLlava,
    }
