"""The guard: NaN and infinite values never update a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from remgcl.core.errors import RunError
from remgcl.core.model.gradients import GradientNorms
from remgcl.core.parts import Samples
from remgcl.core.samples import Batch
from remgcl.core.training.job import Job


class Guard:
    """Watches the objective and the gradients of each optimizer step.

    Attributes:
        skipped: Steps that were skipped so far.
    """

    def __init__(self, job: Job, samples: Samples) -> None:
        """Watch the steps of a job.

        Args:
            job: The stage.
            samples: The training data.
        """
        self.skipped = 0
        self._job = job
        self._samples = samples
        self._step: list[tuple[Batch, Mapping[str, Mapping[str, Tensor]]]] = []

    def begin(self) -> None:
        """Forget the batches of the last step."""
        self._step = []

    def see(self, batch: Batch, terms: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Remember a batch of the step and its terms.

        Args:
            batch: The batch.
            terms: Its terms.
        """
        self._step.append((batch, terms))

    def finite(self) -> Tensor:
        """Return, without waiting for the accelerator, whether all terms of the step are finite `[]`."""
        losses = [term["loss"] for _, terms in self._step for term in terms.values()]
        return torch.stack(losses).isfinite().all()

    def judge(self, step: int, objective: nn.Module | None = None) -> None:
        """Skip a step that must not be done, or stop the run.

        Args:
            step: The optimizer step.
            objective: Is run again to find the term at fault where every loss
                is a number; without it, such a term is not named.

        Raises:
            RunError: The stage does not skip, or has skipped too often; the
                error names terms and samples.
        """
        message = f"stage {self._job.name!r}: step {step}: {self._fault(objective)}"
        if self._job.stage.non_finite == "stop":
            raise RunError(f"{message}; no parameter was changed")
        self.skipped += 1
        if self.skipped > self._job.stage.max_skipped:
            raise RunError(f"{message}; {self._job.stage.max_skipped} steps were skipped before")
        self._job.console.print(f"[yellow]{message}; the step is skipped[/]")

    def _fault(self, objective: nn.Module | None) -> str:
        """Name the terms and the samples at fault."""
        for batch, terms in self._step:
            bad = {name: float(term["loss"]) for name, term in terms.items() if not term["loss"].isfinite()}
            if bad:
                values = ", ".join(f"{self._job.term(name)} is {value:g}" for name, value in bad.items())
                return f"the objective is not finite: {values}; {self._named(batch)}"
        for batch, _ in self._step if objective else ():
            at_fault = " and ".join(map(self._job.term, _terms_with_bad_gradients(objective, batch)))
            if at_fault:
                return f"the gradient of {at_fault} is not finite; {self._named(batch)}"
        named = "; ".join(self._named(batch) for batch, _ in self._step)
        return f"the gradient is not finite; {named}"

    def _named(self, batch: Batch) -> str:
        names = [self._samples[place].id for place in batch["index"].tolist()]
        return "samples " + ", ".join(names)


def _terms_with_bad_gradients(objective: Any, batch: Batch) -> Sequence[str]:  # noqa: ANN401 - an objective, or what wraps it
    norms = GradientNorms()
    total, _ = objective(batch, norms=norms)
    total.backward()
    objective.zero_grad()
    return [name for name, square in norms.squares.items() if not square.isfinite()]
