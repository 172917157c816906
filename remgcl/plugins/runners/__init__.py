"""Runners: where and how the stages of a recipe are trained."""

from collections.abc import Mapping

from remgcl import Runner, hookimpl
from remgcl.plugins.runners.deepspeed import DeepSpeed
from remgcl.plugins.runners.local import Local


@hookimpl
def remgcl_register_runners() -> Mapping[str, type[Runner]]:
    """Name the built-in runners."""
    return {"deepspeed": DeepSpeed, "local": Local}
