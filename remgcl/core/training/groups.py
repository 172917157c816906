"""The learning rate and weight decay of everything that learns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

from remgcl.core.recipe.recipe import Stage


def groups(objective: nn.Module, stage: Stage, decayed: Collection[str]) -> list[dict[str, Any]]:
    """Sort what learns by learning rate and weight decay, as an optimizer wants it.

    What losses learn takes the stage's learning rate, and only its matrices decay:
    a temperature does not (as in open_clip). The first group holds the first part
    that the stage trains: its rate is the one that transformers reports.

    Args:
        objective: The objective.
        stage: The stage's settings.
        decayed: Names of the parameters that decay: no biases, no norms.
    """
    sorted_: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            owner = name.removeprefix("model.").partition(".")[0]
            decays = name in decayed and (name.startswith("model.") or parameter.ndim > 1)
            kind = stage.rate(owner), stage.weight_decay if decays else 0.0
            sorted_.setdefault(kind, []).append(parameter)
    first = stage.rate(stage.train[0])
    kinds = sorted(sorted_, key=lambda kind: (kind[0] != first, *kind))
    return [{"params": sorted_[kind], "lr": kind[0], "weight_decay": kind[1]} for kind in kinds]
