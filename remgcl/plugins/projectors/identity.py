"""No projection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from remgcl import Projector, RemgclError

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class Identity(Projector):
    """No projection: tower and language model have the same width (LLaVA's `identity`)."""

    def build(self, width_in: int, width_out: int) -> nn.Module:
        """Return a module that returns its input."""
        from torch import nn

        self._same(width_in, width_out)
        return nn.Identity()

    def parameters(self, width_in: int, width_out: int) -> int:
        """Count none."""
        self._same(width_in, width_out)
        return 0

    def _same(self, width_in: int, width_out: int) -> None:
        if width_in != width_out:
            raise RemgclError(
                f"projector: identity needs one width; the tower has {width_in}, the backbone {width_out}"
            )
