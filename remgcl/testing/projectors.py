"""What every projector promises: patch features of one width to embeddings of another."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor, nn

from remgcl.core.errors import RemgclError
from remgcl.core.parts import Projector
from remgcl.testing.checks import broken
from remgcl.testing.modules import ModuleChecks

WIDTHS = ((8, 16), (16, 8), (12, 12), (1, 1))
"""Widths of the vision tower and of the language model."""


class Checks(ModuleChecks):
    """What every projector promises."""

    def make(self, part: Projector, seed: int = 0) -> nn.Module:
        """Build it for the first widths that it can join.

        Args:
            part: The projector.
            seed: Of the random weights.
        """
        torch.manual_seed(seed)
        return part.build(*_widths(part)[0])

    def feed(self, part: Projector, count: int = 2) -> Tensor:
        """Make patch features `[N, P, Dv]`.

        Args:
            part: The projector.
            count: N.
        """
        return torch.randn(count, 6, _widths(part)[0][0], generator=torch.Generator().manual_seed(0))

    def count(self, part: Projector) -> int:
        """Let it count its parameters.

        Args:
            part: The projector.
        """
        return part.parameters(*_widths(part)[0])

    def test_it_joins_the_widths(self, part: Projector) -> None:
        """`[N, P, width_in]` becomes finite `[N, P, width_out]` for any N and P; N may be 0."""
        for width_in, width_out in _widths(part):
            module = part.build(width_in, width_out).eval()
            for shape in ((2, 6), (1, 1), (0, 6)):
                answer = module(torch.randn(*shape, width_in))
                if answer.shape != (*shape, width_out):
                    due = [*shape, width_out]
                    raise broken(part, f"build: returns {list(answer.shape)} for {[*shape, width_in]}; expected {due}")
                if not answer.isfinite().all():
                    raise broken(part, "build: an embedding is not finite; initialise every parameter")

    def test_the_gradient_reaches_the_vision_tower(self, part: Projector) -> None:
        """The tower can be trained through it: a finite gradient reaches the patch features."""
        features = self.feed(part).requires_grad_()
        answer = self.make(part)(features)
        if answer.requires_grad:
            answer.pow(2).sum().backward()
        if features.grad is None or not features.grad.any() or not features.grad.isfinite().all():
            raise broken(part, "no finite gradient reaches the patch features; leave no_grad() and detach() out of it")

    def test_widths_that_it_cannot_join_are_an_error_of_remgcl(self, part: Projector) -> None:
        """For two widths that it cannot join, `build` and `parameters` raise `RemgclError` with a clear message."""
        for widths in WIDTHS:
            for name, ask in (("build", part.build), ("parameters", part.parameters)):
                try:
                    ask(*widths)
                except RemgclError:
                    continue
                except Exception as error:
                    raise broken(part, f"{name}{widths}: raises {error!r}; raise RemgclError with a message") from error


def _widths(part: Projector) -> list[tuple[int, int]]:
    """Return the widths that it can join."""
    joined = []
    for widths in WIDTHS:
        with suppress(Exception):  # a check of its own judges what it raises
            part.build(*widths)
            joined.append(widths)
    if not joined:
        raise broken(part, f"build: joins none of the widths {WIDTHS}; it must join one of them")
    return joined
