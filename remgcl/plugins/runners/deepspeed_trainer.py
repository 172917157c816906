"""The Trainer of transformers, driving DeepSpeed's engine."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deepspeed
import torch
from torch import Tensor, nn
from transformers import TrainingArguments

from remgcl import Job
from remgcl.plugins.runners.zero import SHARDED
from remgcl.training import StageTrainer, arguments, train

if TYPE_CHECKING:
    from remgcl.plugins.runners.deepspeed import DeepSpeed
    from remgcl.plugins.runners.rank import Watchdog

LONGEST = 24 * 3600
"""Timeout of a collective in seconds; the watchdog is quicker, and knows the step."""


def train_rank(job: Job, watchdog: Watchdog) -> None:
    """Train a stage as one rank of several.

    Args:
        job: The stage.
        watchdog: Ends the process when it hangs.
    """
    runner: DeepSpeed = job.recipe.runner  # type: ignore[assignment]
    width = job.recipe.backbone.spec().width
    config = runner.configuration(job.stage, width)

    def build(job: Job, objective: nn.Module) -> DeepSpeedTrainer:
        # arguments are made after the model: from then on transformers would shard what it builds
        args = arguments(job, cpu=runner.cpu, deepspeed=config, ddp_timeout=LONGEST)
        return DeepSpeedTrainer(job, objective, args, watchdog)

    train(job, build)


class DeepSpeedTrainer(StageTrainer):
    """Trains with DeepSpeed's engine, which shards, clips and steps itself."""

    def __init__(self, job: Job, objective: nn.Module, args: TrainingArguments, watchdog: Watchdog) -> None:
        """Prepare as any runner.

        Args:
            job: The stage.
            objective: The built objective.
            args: The stage's settings, with DeepSpeed's configuration.
            watchdog: Ends the process when it hangs.
        """
        super().__init__(job, objective, args)
        self._watchdog = watchdog
        self._skipped = 0

    @property
    def zero(self) -> int:
        """The ZeRO stage."""
        return int(self.deepspeed.zero_optimization_stage())

    @property
    def where(self) -> str:
        """Say where the training runs."""
        return f"on {self.args.world_size} x {self.args.device.type}"

    def _inner_training_loop(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
        with self._watchdog.awake():
            return super()._inner_training_loop(*args, **kwargs)

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
        """Make the engine; what may take long is not watched."""
        with self._watchdog.asleep():
            prepared = super()._prepare_for_training(*args, **kwargs)
        if self.zero == 0:
            self._guard_step(self.deepspeed)
        return prepared

    def create_optimizer(self, model: nn.Module | None = None) -> Any:  # noqa: ANN401 - the signature of transformers
        """Name what learns to the engine, which makes the optimizer of its configuration."""
        del model
        self.optimizer.params = self.groups()
        return self.optimizer

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 - the signature of transformers
        """Report progress with each batch."""
        loss: Tensor = super().training_step(*args, **kwargs)
        self._watchdog.beat(self.state.global_step)
        return loss

    def whole_parameters(self) -> AbstractContextManager[None]:
        """Gather the parameters from all ranks."""
        return deepspeed.zero.GatheredParameters(list(self.model.parameters()), enabled=self.zero == SHARDED)  # type: ignore[no-any-return]

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Look at what the engine did: it clipped, and left out a step whose gradient is not a number."""
        del model
        engine = self.deepspeed
        skipped, self._skipped = engine.skipped_steps - self._skipped, engine.skipped_steps
        if skipped and self.job.stage.precision != "float16":  # there it is how the loss scale is found
            self.guard.judge(self.state.global_step)
        return torch.as_tensor(engine.get_global_grad_norm() or 0.0)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> float:  # noqa: ANN401 - the signature of transformers
        """Return the norm that the engine found."""
        del model
        return float(grad_norm)

    def _guard_step(self, engine: Any) -> None:  # noqa: ANN401 - DeepSpeed is not typed
        """Check gradients before the engine's step, which does not check them without ZeRO."""
        step = engine.step

        def guarded(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of DeepSpeed
            grads = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
            norms = torch.stack(torch._foreach_norm(grads))  # noqa: SLF001 - torch's own clipping uses it
            if norms.isfinite().all():
                step(*args, **kwargs)
                return
            engine.optimizer.zero_grad()
            engine.skipped_steps += 1

        engine.step = guarded

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Write a checkpoint, however long the disk takes."""
        with self._watchdog.asleep():
            super()._save_checkpoint(model, trial)

    def _fill(self, folder: Path) -> None:
        """Write the state that a resumed training needs; each rank writes its share of the engine's state."""
        super()._fill(folder)
        try:
            self.deepspeed.save_checkpoint(str(folder), tag=f"global_step{self.state.global_step}")
        except RuntimeError as error:  # torch's error for a full disk
            raise OSError(str(error)) from error

    def _fill_learned(self, folder: Path) -> None:
        """Do nothing: the engine writes what was learned."""

    def _load_optimizer(self, folder: Path) -> None:
        """Do nothing: the engine has loaded it."""
        del folder
        self._skipped = self.deepspeed.skipped_steps


os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
