"""The contract of projectors: patch features to input embeddings."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from attrs import frozen

from remgcl.core.parts.part import Part, count, count_learnable
from remgcl.core.parts.promise import module, returns, that, whole

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class Projector(Part):
    """Turn patch features into input embeddings of the language model."""

    @abstractmethod
    @returns("a torch module", that(module))
    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Make the module: `[N, P, width_in]` to `[N, P, width_out]`.

        Args:
            width_in: Width Dv of the vision tower.
            width_out: Width D of the language model.

        Raises:
            RemgclError: It cannot join these widths.
        """

    @returns("a whole number of parameters", that(whole()))
    def parameters(self, width_in: int, width_out: int) -> int:
        """Count the parameters; override where that needs no heavy library.

        Args:
            width_in: Width Dv of the vision tower.
            width_out: Width D of the language model.
        """
        return count(lambda: self.build(width_in, width_out))

    def counts(self, width_in: int, width_out: int) -> tuple[int, int]:
        """Count the parameters that `build` makes: all of them, and those that it does not freeze itself.

        Args:
            width_in: Width Dv of the vision tower.
            width_out: Width D of the language model.
        """
        return count_learnable(lambda: self.build(width_in, width_out))
