"""Chat models: models of this project, of transformers, behind endpoints, and scripts."""

from collections.abc import Mapping

from remgcl import ChatModel, hookimpl
from remgcl.plugins.chat_models.openai import OpenAi
from remgcl.plugins.chat_models.remgcl import Remgcl
from remgcl.plugins.chat_models.scripted import Scripted
from remgcl.plugins.chat_models.transformers import Transformers


@hookimpl
def remgcl_register_chat_models() -> Mapping[str, type[ChatModel]]:
    """Name the built-in chat models."""
    return {"openai": OpenAi, "remgcl": Remgcl, "scripted": Scripted, "transformers": Transformers}
