"""What a stage minimises: the language loss and the weighted losses, as one module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from remgcl.core.errors import PluginError
from remgcl.core.features import Features
from remgcl.core.model.model import features_of
from remgcl.core.model.probe import verified
from remgcl.core.parts import Loss
from remgcl.core.parts.promise import contained, kept
from remgcl.core.recipe.recipe import LANGUAGE
from remgcl.core.registry.culprit import named

if TYPE_CHECKING:
    from remgcl.core.model.gradients import GradientNorms
    from remgcl.core.model.model import Model
    from remgcl.core.samples import Batch

Terms: TypeAlias = dict[str, dict[str, Tensor]]
"""Scalars of each term by name: its `loss`, unweighted; its `count`; its diagnosis."""


class Objective(nn.Module):
    """A model and its losses: a batch to a total and its terms.

    Attributes:
        model: The model.
        losses: The losses by the name of their term.
        learned: What the losses learn, for those that learn something.
    """

    def __init__(self, model: Model, losses: Mapping[str, Loss], stage: str = "") -> None:
        """Join a model and losses.

        Args:
            model: The model.
            losses: Losses by the name of their term.
            stage: The stage's key, for errors.
        """
        super().__init__()
        self._where = f"stage {stage!r}: " if stage else ""
        self.model = model
        self.losses = dict(losses)
        width = model.backbone.get_input_embeddings().embedding_dim
        self._built = {name: loss.build(width) for name, loss in losses.items()}
        self.learned = nn.ModuleDict({name: it for name, it in self._built.items() if isinstance(it, nn.Module)})

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """Count what each term of a batch is a mean over, without running the model.

        Args:
            batch: The batch.
        """
        nothing = batch["patch_mask"].new_zeros(0, dtype=torch.float32)
        outline = features_of(
            batch,
            self.model.tower.grid,
            patches=nothing.expand(*batch["patch_mask"].shape, 0),
            answer=nothing.expand(*batch["answer_mask"].shape, 0),
            region_text=nothing.expand(batch["region_image"].shape[0], 0),
        )
        tokens = outline.patches.new_tensor(batch["label_slots"].shape[0])
        return {LANGUAGE: tokens, **{name: loss.count(outline).float() for name, loss in self.losses.items()}}

    def forward(
        self,
        batch: Batch,
        totals: Mapping[str, Tensor] | None = None,
        *,
        progress: float | None = None,
        norms: GradientNorms | None = None,
        diagnose: bool = False,
    ) -> tuple[Tensor, Terms]:
        """Compute the total and its terms.

        Every term is a mean: over tokens, pairs, or what else its loss counts.
        It is multiplied by this batch's share of `totals`, so that gradients
        added up over batches are those of the mean over all of them.

        Args:
            batch: The batch, on the model's device.
            totals: What each term counts in all batches whose gradients are
                added up; in this batch alone by default.
            progress: Share of the stage that is done, for the losses' weights;
                at their highest by default.
            norms: Measures the gradient of each term in the backward pass.
            diagnose: Whether to let the losses diagnose themselves.

        Returns:
            The total `[]`, and the terms, detached.

        Raises:
            PluginError: A loss answers something else than a scalar with a graph.
        """
        counts = self.counts(batch)
        totals = counts if totals is None else totals
        watch = {} if norms is None else {"watch": partial(norms.watch, LANGUAGE)}
        logits, features = self.model(batch, [loss.text_layer for loss in self.losses.values()], **watch)
        targets = batch["labels"].flatten()[batch["label_slots"]]
        summed = functional.cross_entropy(logits.float(), targets, reduction="sum")
        total = summed / totals[LANGUAGE].clamp(min=1e-6)
        own = summed.detach() / counts[LANGUAGE].clamp(min=1)
        terms: Terms = {LANGUAGE: {"loss": own, "count": counts[LANGUAGE]}}
        for name, loss in self.losses.items():
            seen = features[loss.text_layer]
            term = self._term(name, seen if norms is None else norms.watch_features(name, seen))
            weight = loss.weight if progress is None else loss.weight_at(progress)
            total = total + weight * term * (counts[name] / totals[name].clamp(min=1e-6))
            terms[name] = {"loss": term.detach(), "count": counts[name]}
            if diagnose:
                terms[name] |= self._diagnosis(name, seen)
        return total, terms

    def _term(self, name: str, features: Features) -> Tensor:
        """Call a loss, and make sure of its answer."""
        try:
            with contained(named(self.losses[name])):
                term = self._built[name](features)
            return verified(term, self.losses[name], features)
        except PluginError as error:
            raise PluginError(f"{self._where}loss {name!r}: {error}") from None

    @torch.no_grad()
    def _diagnosis(self, name: str, features: Features) -> dict[str, Tensor]:
        loss, built = self.losses[name], self._built[name]
        found = built.diagnose(features) if hasattr(built, "diagnose") else loss.diagnose(features)
        found = kept(Loss.diagnose, found, f"{self._where}loss {name!r}: {named(loss)}: diagnose")
        return {key: value.detach() for key, value in found.items()}
