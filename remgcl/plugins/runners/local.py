"""Train in this process, on the accelerator there is, or on the CPU."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, optional

from remgcl import Job, Runner


@frozen(kw_only=True)
class Local(Runner):
    """Train in this process, on one accelerator or on the CPU.

    Attributes:
        trackers: Trackers of the training, each in the extra of its name; by default TensorBoard, if it is installed.
        cpu: Whether to train on the CPU even if there is an accelerator.
        threads: Threads of torch on the CPU; by default as many as cores.
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
