"""Checks of the value and the gradients of a loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from remgcl.core.features import Features
from remgcl.core.parts import Loss
from remgcl.testing.checks import broken
from remgcl.testing.features import WIDTH

SIDES = ("patches", "answers", "region texts")
"""What gradients are taken to, in words."""


def built_loss(part: Loss, seed: int = 0) -> Callable[[Features], Tensor]:
    """Make what a training calls.

    Args:
        part: The loss.
        seed: Of the random numbers.
    """
    torch.manual_seed(seed)
    return part.build(WIDTH)


def value_of(part: Loss, features: Features) -> float:
    """Compute the number of a loss, without a graph.

    Args:
        part: The loss.
        features: Any features.
    """
    with torch.no_grad():
        return built_loss(part)(features).item()


def close(one: float, other: float) -> bool:
    """Return whether two values are equal except for rounding.

    Args:
        one: A value.
        other: Another.
    """
    return abs(one - other) <= 1e-4 * max(1.0, abs(one), abs(other))


def verify_number(part: Loss, value: object, where: str) -> None:
    """Raise unless a value is a finite scalar.

    Args:
        part: The loss.
        value: The returned value.
        where: The batch, in words.
    """
    if not isinstance(value, Tensor) or value.shape != torch.Size([]):
        got = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise broken(part, f"{where}: must return a scalar tensor; it returned {got}")
    if not value.isfinite():
        raise broken(part, f"{where}: is {value.item()}; guard means over nothing with clamp(min=...)")


def verify_gradients(part: Loss, gradients: list[Tensor | None], where: str) -> None:
    """Raise unless gradients are finite.

    Args:
        part: The loss.
        gradients: Gradients, where there are any.
        where: The batch, in words.
    """
    if not all(gradient is None or gradient.isfinite().all() for gradient in gradients):
        raise broken(part, f"{where}: a gradient is not finite; guard norms and quotients with an epsilon")
