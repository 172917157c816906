"""Trackers: where a training can be watched."""

from collections.abc import Mapping

from remgcl import Tracker, hookimpl
from remgcl.plugins.trackers.tensorboard import TensorBoard
from remgcl.plugins.trackers.wandb import Wandb


@hookimpl
def remgcl_register_trackers() -> Mapping[str, type[Tracker]]:
    """Name the built-in trackers."""
    return {"tensorboard": TensorBoard, "wandb": Wandb}
