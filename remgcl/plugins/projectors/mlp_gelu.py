"""LLaVA-1.5's projector: linear maps with GELU between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import ge

from remgcl import Projector

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class MlpGelu(Projector):
    """Linear maps with GELU between them; two in LLaVA-1.5 (`mlp{depth}x_gelu` there).

    Attributes:
        depth: Number of linear maps.
    """

    depth: int = field(default=2, validator=ge(1))

    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Make the maps; the state's keys are those of LLaVA's projector."""
        from torch import nn

        layers: list[nn.Module] = [nn.Linear(width_in, width_out)]
        for _ in range(1, self.depth):
            layers += [nn.GELU(), nn.Linear(width_out, width_out)]
        return nn.Sequential(*layers)

    def parameters(self, width_in: int, width_out: int) -> int:
        """Count weights and biases."""
        return (width_in + 1) * width_out + (self.depth - 1) * (width_out + 1) * width_out
