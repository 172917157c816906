"""One stage trained by the Trainer of transformers, as every runner drives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

from remgcl import COUNTS, Batch, DataError, GradientNorms, Job, RunError, Samples
from remgcl.plugins.runners.outcome import outcome, tell
from remgcl.plugins.runners.progress import Progress

SCHEDULES = {"constant": "constant_with_warmup", "cosine": "cosine", "linear": "linear"}
"""The schedules of a recipe in the words of transformers."""


def train(job: Job, *, cpu: bool) -> None:
    """Answer the held-out samples, train, answer them again, and save.

    Args:
        job: The stage.
        cpu: Whether to leave an accelerator alone.

    Raises:
        DataError: A sample cannot be used.
        RunError: The objective is not a number any more.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # the stage has one of its own
    job.folder.begin()
    model = job.build_model()
    objective = job.build_objective(model)
    trainer = StageTrainer(job, objective, cpu=cpu)
    model.to(trainer.args.device)
    learns = sum(parameter.numel() for parameter in objective.parameters() if parameter.requires_grad)
    told = f"{len(trainer.train_dataset):,} samples, {learns:,} parameters learn, on {trainer.args.device}"
    job.console.print(f"[bold]{job.name}[/]: {told}")
    before = job.validate(model)
    try:
        trainer.train()
    except DataError as error:
        # from a loader worker it comes with the worker's traceback in its text
        raise DataError(str(error).rpartition(f"{DataError.__name__}: ")[2].strip()) from error
    after = job.validate(model)
    record = outcome(trainer.progress, trainer.counts, before, after)
    job.finish(objective, record)
    tell(job, record, after)


class StageTrainer(Trainer):
    """The Trainer of transformers, for an objective that gives named terms.

    Attributes:
        progress: Shows and records the terms.
    """

    def __init__(self, job: Job, objective: nn.Module, *, cpu: bool) -> None:
        """Translate a stage's settings.

        Args:
            job: The stage.
            objective: The built objective.
            cpu: Whether to leave an accelerator alone.
        """
        self.job = job
        self.progress = Progress(job)
        self._counts = torch.zeros(len(COUNTS), dtype=torch.int64)
        self._totals: dict[str, Tensor] | None = None
        self._norms: GradientNorms | None = None
        super().__init__(
            model=objective,
            args=arguments(job, cpu=cpu),
            train_dataset=job.build_examples(),
            data_collator=job.collator,
            callbacks=[self.progress],
        )
        self.remove_callback(PrinterCallback)
        self.loss_is_scaled_for_ga = True  # the objective divides by all tokens and batches itself

    @property
    def counts(self) -> dict[str, int]:
        """How often something was left out so far, by what it was."""
        return dict(zip(COUNTS, self._counts.tolist(), strict=True))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature of transformers
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - the signature of transformers
        """Compute the total of a batch, and hand its terms to the progress.

        Args:
            model: The objective, wrapped or not.
            inputs: The batch.
            return_outputs: Whether to give the terms too.
            num_items_in_batch: Not used; each term has a total of its own.

        Raises:
            RunError: The total is not a number.
        """
        del num_items_in_batch  # the totals hold it, and those of the other terms
        stage, state = self.job.stage, self.state
        last = self.accelerator.sync_gradients
        step = state.global_step + 1
        logged = step % stage.log_steps == 0 or step == state.max_steps
        total, terms = model(
            inputs,
            totals=self._totals,
            progress=state.global_step / max(state.max_steps, 1),
            norms=self._norms,
            diagnose=last and logged,
        )
        if not torch.isfinite(total):
            told = ", ".join(f"{name} {float(term['loss']):g}" for name, term in terms.items())
            raise RunError(
                f"stage {self.job.name!r}: the objective is not a number at step {self.state.global_step}; {told}"
            )
        self.progress.add(terms, len(inputs["ids"]))
        self._counts = self._counts.to(inputs["counts"].device) + inputs["counts"]
        return (total, terms) if return_outputs else total

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Tensor | None:
        """Count what each term is a mean over, in all batches and ranks whose gradients are added up.

        Ranks average their gradients, so each takes its share of what all of them hold.
        """
        objective = self.accelerator.unwrap_model(self.model)
        counts = [objective.counts(batch) for batch in batch_samples]
        own = torch.stack([torch.stack([count[name] for count in counts]).sum() for name in counts[0]]).to(device)
        ranks = self.accelerator.num_processes
        totals = self.accelerator.gather(own).view(ranks, -1).sum(dim=0) / ranks
        self._totals = dict(zip(counts[0], totals, strict=True))
        every = self.job.stage.gradient_share_steps
        self._norms = GradientNorms() if every and (self.state.global_step + 1) % every == 0 else None
        self.progress.norms = self._norms or self.progress.norms
        return totals[0]  # type: ignore[no-any-return]

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int]:
        """Order the samples by the recipe's seed."""
        del train_dataset
        return Order(self.job, self.args.train_batch_size * self.accelerator.num_processes, self.train_dataset.samples)


class Order(Sampler[int]):
    """The order of the samples, another one each epoch."""

    def __init__(self, job: Job, batch_size: int, samples: Samples) -> None:
        """Remember what the order depends on.

        Args:
            job: The stage.
            batch_size: Samples of a step, over all devices.
            samples: The training data.
        """
        self._job, self._batch_size, self._samples = job, batch_size, samples
        self._epoch = 0

    def __len__(self) -> int:
        """Count the samples."""
        return len(self._samples)

    def __iter__(self) -> Iterator[int]:
        """Give the places of the samples, in order."""
        return iter(self._job.order(self._samples, self._batch_size, self._epoch))

    def set_epoch(self, epoch: int) -> None:
        """Tell which pass over the data comes next.

        Args:
            epoch: Passes so far.
        """
        self._epoch = epoch


def arguments(job: Job, *, cpu: bool) -> TrainingArguments:
    """Write a stage's settings as the Trainer wants them.

    Args:
        job: The stage.
        cpu: Whether to leave an accelerator alone.
    """
    stage = job.stage
    return TrainingArguments(
        output_dir=str(job.folder.path),
        per_device_train_batch_size=stage.batch_size,
        gradient_accumulation_steps=stage.accumulation,
        num_train_epochs=stage.epochs,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=SCHEDULES[stage.schedule],
        warmup_steps=stage.warmup_ratio,
        weight_decay=stage.weight_decay,
        adam_beta1=stage.betas[0],
        adam_beta2=stage.betas[1],
        max_grad_norm=stage.max_grad_norm,
        bf16=stage.precision == "bfloat16",
        fp16=stage.precision == "float16",
        dataloader_num_workers=stage.workers,
        dataloader_pin_memory=not cpu and torch.cuda.is_available(),
        logging_steps=stage.log_steps,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        seed=job.recipe.seed,
        use_cpu=cpu,
    )
