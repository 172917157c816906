"""Losses: the features of a batch to one scalar."""

from collections.abc import Mapping

from remgcl import Loss, hookimpl
from remgcl.plugins.losses.global_ import Global
from remgcl.plugins.losses.refined_local import RefinedLocal
from remgcl.plugins.losses.sliding_window import SlidingWindow


@hookimpl
def remgcl_register_losses() -> Mapping[str, type[Loss]]:
    """Name the built-in losses."""
    return {"global": Global, "refined-local": RefinedLocal, "sliding-window": SlidingWindow}
