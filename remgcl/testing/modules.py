"""What every part that builds a module promises, whether it is a tower, a projector or a backbone."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from remgcl.core.errors import RemgclError, WeightsError
from remgcl.core.model.saved import load_part, save_part
from remgcl.core.parts import Pretrained
from remgcl.testing.checks import PartChecks, broken


class ModuleChecks(PartChecks):
    """What every part that builds a module promises."""

    @abstractmethod
    def make(self, part: Any, seed: int = 0) -> nn.Module:  # noqa: ANN401 - a part of each kind
        """Build the module, from a seed and without its weights.

        Args:
            part: The part.
            seed: Of the random weights.
        """

    @abstractmethod
    def feed(self, part: Any, count: int = 2) -> Tensor:  # noqa: ANN401 - a part of each kind
        """Make an input of some rows.

        Args:
            part: The part.
            count: Number of rows.
        """

    @abstractmethod
    def count(self, part: Any) -> int:  # noqa: ANN401 - a part of each kind
        """Let the part count its parameters.

        Args:
            part: The part.
        """

    def answer(self, module: nn.Module, given: Tensor) -> Tensor:
        """Run a module.

        Args:
            module: The module.
            given: Its input.
        """
        answer: Tensor = module(given)
        return answer

    def test_it_gives_the_same_for_the_same_input(self, part: Any) -> None:  # noqa: ANN401 - a part of each kind
        """In eval mode the output is deterministic."""
        module, given = self.make(part).eval(), self.feed(part)
        with torch.no_grad():
            one, other = self.answer(module, given), self.answer(module, given)
        if not torch.equal(one, other):
            raise broken(
                part, "returns another output for the same input in eval(); leave dropout and noise to train()"
            )

    def test_rows_do_not_look_at_each_other(self, part: Any) -> None:  # noqa: ANN401 - a part of each kind
        """In eval mode a row's output does not depend on its position or on other rows."""
        module, given = self.make(part).eval(), self.feed(part, 3)
        with torch.no_grad():
            whole, swapped = self.answer(module, given), self.answer(module, given.flip(0)).flip(0)
            alone = torch.cat([self.answer(module, row[None]) for row in given])
        for other, where in ((swapped, "in another order"), (alone, "alone")):
            if not torch.allclose(whole, other, atol=1e-4, rtol=1e-3):
                raise broken(part, f"returns other outputs for rows {where}; in eval() each row is by itself")

    def test_its_parameters_are_counted_as_they_are(self, part: Any) -> None:  # noqa: ANN401 - a part of each kind
        """`parameters` is the number of parameters of the module that `build` returns, for estimates."""
        counted, built = self.count(part), sum(parameter.numel() for parameter in self.make(part).parameters())
        if counted != built:
            raise broken(part, f"parameters: counts {counted:,}, and build returns {built:,}; count those")

    def test_gradients_reach_what_learns(self, part: Any) -> None:  # noqa: ANN401 - a part of each kind
        """In training, finite gradients reach all parameters that require one."""
        module = self.make(part).train()
        learns = {name: each for name, each in module.named_parameters() if each.requires_grad}
        answer = self.answer(module, self.feed(part))
        if learns and not answer.requires_grad:
            raise broken(part, "its output is detached from its parameters; leave no_grad() and detach() out of it")
        if answer.requires_grad:
            answer.float().pow(2).sum().backward()  # type: ignore[no-untyped-call]
        wrong = [name for name, each in learns.items() if each.grad is not None and not each.grad.isfinite().all()]
        if wrong:
            raise broken(part, f"the gradient of {wrong[0]!r} is not finite; guard norms and quotients with an epsilon")
        if learns and not any(each.grad is not None and each.grad.any() for each in learns.values()):
            raise broken(part, "no gradient reaches a parameter; compute the output from them")

    def test_what_it_learned_survives_saving(self, part: Any, tmp_path: Path) -> None:  # noqa: ANN401 - a part of each kind
        """Saved as safetensors and loaded into another build, it returns the same output."""
        module, other, given = self.make(part).eval(), self.make(part, seed=1).eval(), self.feed(part)
        file = tmp_path / "part.safetensors"
        try:
            save_part(module, file)
            load_part(other, file)
        except (RemgclError, RuntimeError, ValueError) as error:
            raise broken(part, f"cannot be saved and loaded; {error}") from error
        with torch.no_grad():
            same = torch.equal(self.answer(module, given), self.answer(other, given))
        if not same:
            raise broken(
                part, "returns another output once it is saved and loaded; keep state in parameters and buffers"
            )


class PretrainedChecks(ModuleChecks):
    """What every part promises whose weights may be loaded from somewhere."""

    def make(self, part: Any, seed: int = 0) -> nn.Module:  # noqa: ANN401 - a part of each kind
        """Build the module with random weights.

        Args:
            part: The part.
            seed: Of the random weights.
        """
        torch.manual_seed(seed)
        module: nn.Module = part.build(pretrained=False)
        return module

    def count(self, part: Any) -> int:  # noqa: ANN401 - a part of each kind
        """Let the part count its parameters.

        Args:
            part: The part.
        """
        number: int = part.parameters()
        return number

    def test_restorable_weights_are_the_same_each_time(self, part: Pretrained) -> None:
        """Weights of a part declared restorable are not saved, so `build` returns the same weights each time."""
        if not part.restorable:
            return
        states = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            try:
                states.append(dict(part.build().named_parameters()))
            except WeightsError as error:
                pytest.skip(f"its weights are not here; {error}")
        one, other = states
        changed = [name for name in one if name not in other or not torch.equal(one[name], other[name])]
        if changed:
            raise broken(part, f"restorable: is True, and {changed[0]!r} differs in each build; let it be False")
