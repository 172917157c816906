"""How much of the gradient each term of the objective makes.

The terms meet at the language model's input: each takes projected patches and
input embeddings, and sends a gradient back to them. There it is measured, in
the one backward pass that is run anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from remgcl.core.features import Features

if TYPE_CHECKING:
    from torch import Tensor


@frozen(eq=False)
class GradientNorms:
    """The gradient norm of each term at the projected patches and input embeddings.

    Gradients of several batches add up.

    Attributes:
        squares: The squared norm of each term seen so far `[]`.
    """

    squares: dict[str, Tensor] = field(factory=dict)

    def watch(self, term: str, tensor: Tensor) -> Tensor:
        """Return a tensor whose gradient is recorded in the backward pass.

        Args:
            term: The term that will use the tensor, and nothing else.
            tensor: What the term depends on.
        """
        if not tensor.requires_grad:
            return tensor
        seen = tensor.view_as(tensor)
        seen.register_hook(lambda gradient: self._add(term, gradient))  # type: ignore[no-untyped-call]
        return seen

    def watch_features(self, term: str, features: Features) -> Features:
        """Watch everything that a loss sends a gradient to.

        Args:
            term: The loss's name.
            features: What the loss will see.
        """
        return evolve(
            features,
            patches=self.watch(term, features.patches),
            answer=self.watch(term, features.answer),
            regions=evolve(features.regions, text=self.watch(term, features.regions.text)),
        )

    def shares(self) -> dict[str, float]:
        """Return each term's share of the sum of all norms; nothing before a backward pass."""
        norms = {term: float(square) ** 0.5 for term, square in self.squares.items()}
        total = sum(norms.values())
        return {term: norm / total if total else 0.0 for term, norm in norms.items()}

    def _add(self, term: str, gradient: Tensor) -> None:
        square = gradient.detach().float().square().sum()
        self.squares[term] = self.squares[term] + square if term in self.squares else square
