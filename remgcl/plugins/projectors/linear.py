"""One linear map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from remgcl import Projector

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class Linear(Projector):
    """One linear map with a bias (LLaVA, `multimodal_projector/builder.py`)."""

    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Make the linear map."""
        from torch import nn

        return nn.Linear(width_in, width_out)

    def parameters(self, width_in: int, width_out: int) -> int:
        """Count weight and bias."""
        return (width_in + 1) * width_out
