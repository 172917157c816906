"""Projectors: patch features to input embeddings of the language model."""

from collections.abc import Mapping

from remgcl import Projector, hookimpl
from remgcl.plugins.projectors.identity import Identity
from remgcl.plugins.projectors.linear import Linear
from remgcl.plugins.projectors.mlp_gelu import MlpGelu


@hookimpl
def remgcl_register_projectors() -> Mapping[str, type[Projector]]:
    """Name the built-in projectors."""
    return {"identity": Identity, "linear": Linear, "mlp2x_gelu": MlpGelu}
