"""Generators: an image and its text to questions with answers."""

from collections.abc import Mapping

from remgcl import Generator, hookimpl
from remgcl.plugins.generators.compose import Compose
from remgcl.plugins.generators.reasoning import Reasoning
from remgcl.plugins.generators.rewrite import Rewrite


@hookimpl
def remgcl_register_generators() -> Mapping[str, type[Generator]]:
    """Name the built-in generators."""
    return {"compose": Compose, "reasoning": Reasoning, "rewrite": Rewrite}
