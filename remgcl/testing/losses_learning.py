"""What a loss that learns promises: gradients for all that it learns, and nothing that is lost."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from remgcl.core.model.saved import load_part, save_part
from remgcl.core.parts import Loss
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.features import random_features
from remgcl.testing.losses_values import built_loss, verify_gradients


class LearningChecks(PartChecks):
    """What a loss promises of what it learns."""

    def test_what_it_learns_has_gradients_and_can_be_saved(self, part: Loss, tmp_path: Path) -> None:
        """The result of `build` is called like the loss; parameters of a module are trained, saved and resumed."""
        built, features = built_loss(part), random_features()
        value = built(features)
        again = built_loss(part, seed=1)
        if isinstance(built, nn.Module):
            value.backward()  # type: ignore[no-untyped-call]
            idle = [name for name, each in built.named_parameters() if each.grad is None]
            if idle:
                raise broken(part, f"build: no gradient reaches {', '.join(idle)}; use every parameter in the loss")
            verify_gradients(part, [each.grad for each in built.parameters()], "what it learns")
            with torch.no_grad():
                for parameter in built.parameters():
                    parameter.add_(0.125)
            value = built(features)
            save_part(built, tmp_path / "loss.safetensors")
            if not isinstance(again, nn.Module):
                raise broken(part, "build: returns a module only sometimes; return one each time")
            load_part(again, tmp_path / "loss.safetensors")
        if not torch.equal(again(features), value):
            raise broken(part, "build: returns another value once it is built again and its parameters are loaded")
