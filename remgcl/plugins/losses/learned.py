"""A contrastive loss whose temperature and bias are learned."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from remgcl import Features

if TYPE_CHECKING:
    from remgcl.plugins.losses.contrastive import ContrastiveLoss

COLDEST = 0.01
"""Lowest temperature that is used (CLIP; Radford et al. 2021, section 2.5)."""


class Learned(nn.Module):
    """Learns the temperature as its logarithm and, for ``sigmoid``, the bias.

    Both are vectors of one number, as DeepSpeed knows no scalars.
    """

    def __init__(self, loss: ContrastiveLoss) -> None:
        """Begin with the settings of the loss.

        Args:
            loss: The loss.
        """
        super().__init__()
        self.loss = loss
        self.log_temperature = nn.Parameter(torch.tensor([log(loss.temperature)]))
        if loss.objective == "sigmoid":
            self.bias = nn.Parameter(torch.tensor([loss.bias]))

    @property
    def temperature(self) -> Tensor:
        """What similarities are divided by now `[]`."""
        return self.log_temperature[0].exp()

    def forward(self, features: Features) -> Tensor:
        """Compute the loss `[]`, at a temperature that is not below the lowest.

        The parameter itself is held there, so that its gradient can raise it again.

        Args:
            features: The features of a batch.
        """
        with torch.no_grad():
            self.log_temperature.clamp_(min=log(COLDEST))
        return self.loss.score(features, self.temperature, self.bias[0] if hasattr(self, "bias") else self.loss.bias)

    def diagnose(self, features: Features) -> Mapping[str, Tensor]:
        """Return the loss's own diagnosis and the learned values.

        Args:
            features: The features of a batch.
        """
        bias = {"bias": self.bias[0]} if hasattr(self, "bias") else {}
        return {**self.loss.diagnose(features), "temperature": self.temperature, **bias}
