"""Train in this process, on the accelerator there is, or on the CPU."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, optional

from remgcl import Job, Runner


@frozen(kw_only=True)
class Local(Runner):
    """Train in this process, on one accelerator or on the CPU.

    Attributes:
        trackers: Where a training can be watched, each by the extra of its
            name; TensorBoard by default, where that is installed.
        cpu: Whether to leave an accelerator alone.
        threads: Threads of torch on the CPU; as many as cores without it.
    """

    cpu: bool = False
    threads: int | None = field(default=None, validator=optional(ge(1)))

    def run(self, job: Job) -> None:
        """Train the stage with the Trainer of transformers."""
        import torch

        from remgcl.training import StageTrainer, arguments, train

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        args = arguments(job, cpu=self.cpu)
        train(job, lambda job, objective: StageTrainer(job, objective, args))
