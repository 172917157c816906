"""Executors: where the stages of a grid are trained."""

from collections.abc import Mapping

from remgcl import Executor, hookimpl
from remgcl.plugins.executors.local import Local
from remgcl.plugins.executors.ray import Ray
from remgcl.plugins.executors.slurm import Slurm


@hookimpl
def remgcl_register_executors() -> Mapping[str, type[Executor]]:
    """Name the built-in executors."""
    return {"local": Local, "ray": Ray, "slurm": Slurm}
