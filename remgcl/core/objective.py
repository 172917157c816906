"""What a stage minimises: the language loss and the weighted losses, as one module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from remgcl.core.errors import PluginError
from remgcl.core.recipe import LANGUAGE

if TYPE_CHECKING:
    from remgcl.core.model import Model
    from remgcl.core.parts import Loss
    from remgcl.core.samples import Batch


class Objective(nn.Module):
    """A model and its losses: a batch to named terms."""

    def __init__(self, model: Model, losses: Mapping[str, Loss]) -> None:
        """Join a model and losses.

        Args:
            model: The model.
            losses: Losses by the name of their term.
        """
        super().__init__()
        self.model = model
        self.losses = dict(losses)

    def forward(self, batch: Batch, tokens: Tensor | None = None, parts: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the total and its terms.

        The language loss is the sum over this batch's tokens divided by
        `tokens`; every other term is a mean over the batch divided by `parts`.
        So gradients added up over `parts` batches are those of the mean token
        and of the mean batch.

        Args:
            batch: The batch, on the model's device.
            tokens: Supervised tokens of all batches whose gradients are added
                up, `[]`; of this batch alone by default.
            parts: Number of batches whose gradients are added up.

        Returns:
            The total `[]`, and the unweighted, undivided terms by name,
            detached; the language loss is `LANGUAGE`, per token of this batch.

        Raises:
            PluginError: A loss answers something else than a scalar.
        """
        logits, features = self.model(batch)
        targets = batch["labels"].flatten()[batch["label_slots"]]
        summed = functional.cross_entropy(logits.float(), targets, reduction="sum")
        own = summed.new_tensor(max(targets.shape[0], 1))
        total = summed / (own if tokens is None else tokens)
        terms = {LANGUAGE: (summed / own).detach()}
        for name, loss in self.losses.items():
            term = loss(features)
            if not isinstance(term, Tensor) or term.shape != torch.Size([]):
                got = tuple(term.shape) if isinstance(term, Tensor) else repr(term)
                raise PluginError(f"loss {name!r} ({type(loss).__qualname__}): must answer a scalar; it answers {got}")
            total = total + loss.weight * term / parts
            terms[name] = term.detach()
        return total, terms
