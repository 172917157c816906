"""Templates: conversations to the text that the language model reads."""

from collections.abc import Mapping

from remgcl import Template, hookimpl
from remgcl.plugins.templates.chat import Chat
from remgcl.plugins.templates.chatml import ChatML
from remgcl.plugins.templates.chatml_direct import ChatMLDirect
from remgcl.plugins.templates.llama_2 import Llama2
from remgcl.plugins.templates.llava_v1 import LlavaV1
from remgcl.plugins.templates.mpt import Mpt
from remgcl.plugins.templates.plain import Plain
from remgcl.plugins.templates.v1 import V1


@hookimpl
def remgcl_register_templates() -> Mapping[str, type[Template]]:
    """Name the built-in templates."""
    return {
        "chat": Chat,
        "chatml": ChatML,
        "chatml_direct": ChatMLDirect,
        "llama_2": Llama2,
        "llava_v1": LlavaV1,
        "mpt": Mpt,
        "plain": Plain,
        "v1": V1,
    }
