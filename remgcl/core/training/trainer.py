"""The Trainer of transformers, as every runner drives it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from remgcl.core.errors import RunError
from remgcl.core.evaluation.answers import Answered
from remgcl.core.model.gradients import GradientNorms
from remgcl.core.samples import COUNTS, Batch
from remgcl.core.training import state
from remgcl.core.training.groups import groups
from remgcl.core.training.guard import Guard
from remgcl.core.training.job import Job
from remgcl.core.training.progress import Progress
from remgcl.core.training.sampler import Order


class StageTrainer(Trainer):
    """The Trainer of transformers, for an objective that returns named terms.

    Attributes:
        progress: Shows and records the terms.
        guard: Keeps from the parameters what is not a number.
        answered_before: What the held-out samples measured before the training, if
            there are any.
    """

    def __init__(self, job: Job, objective: nn.Module, args: TrainingArguments) -> None:
        """Translate a stage's settings.

        Args:
            job: The stage.
            objective: The built objective.
            args: The stage's settings as `arguments` writes them.
        """
        self.job = job
        self.progress = Progress(job)
        examples = job.build_examples()
        self.guard = Guard(job, examples.samples)
        self._counts = torch.zeros(len(COUNTS), dtype=torch.int64)
        self._totals: dict[str, Tensor] | None = None
        self._norms: GradientNorms | None = None
        super().__init__(
            model=objective,
            args=args,
            train_dataset=examples,
            data_collator=job.collator,
            callbacks=[self.progress],
        )
        self.remove_callback(PrinterCallback)
        self.loss_is_scaled_for_ga = True  # the objective divides by all tokens and batches itself
        self.answered_before: float | None = None
        self._order = Order(job, self.args.train_batch_size * self.accelerator.num_processes, examples.samples)

    @property
    def where(self) -> str:
        """Say where the training runs."""
        return f"on {self.args.device}"

    def whole_parameters(self) -> AbstractContextManager[None]:
        """Hold the parameters whole, for saving them."""
        return nullcontext()

    def validate(self) -> Sequence[Answered]:
        """Answer the held-out samples, if the stage has any; all ranks must call it."""
        return self.job.validate(self.model.model)

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
        """Answer the held-out samples once the model is on its device, or load the earlier result."""
        prepared = super()._prepare_for_training(*args, **kwargs)
        file = self.job.folder.before
        resumed = kwargs.get("resume_from_checkpoint", args[-1] if args else None) is not None
        known = resumed or file.exists()
        self.accelerator.wait_for_everyone()  # before any rank writes it
        if not known:
            answered = self.validate()
            if self.is_world_process_zero():
                self.job.folder.write(file, {self.job.measure.name: self.job.measure.of(answered)})
            self.accelerator.wait_for_everyone()
        try:
            self.answered_before = self.job.folder.answered_before(self.job.measure.name)
        except RunError as error:
            warning = f"{error}; the answers from before the training are lost"
            self.job.console.print(warning, style="yellow", markup=False)
        return prepared

    def groups(self) -> list[dict[str, Any]]:
        """Sort what learns by learning rate and weight decay, as an optimizer wants it."""
        return groups(self.model, self.job.stage, self.get_decay_parameter_names(self.model))

    def create_optimizer(self, model: nn.Module | None = None) -> Any:  # noqa: ANN401 - the signature of transformers
        """Make the optimizer, with the learning rate of each part."""
        del model
        kind, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        self.optimizer = kind(self.groups(), **settings)
        return self.optimizer

    @property
    def counts(self) -> dict[str, int]:
        """How often something was left out so far on all ranks, by what it was; all ranks must ask."""
        total = self.accelerator.gather(self._counts.to(self.args.device)).view(-1, len(COUNTS)).sum(dim=0)
        return dict(zip(COUNTS, total.tolist(), strict=True))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature of transformers
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - the signature of transformers
        """Compute the total of a batch, and hand its terms to the progress.

        Args:
            model: The objective, wrapped or not.
            inputs: The batch.
            return_outputs: Whether to give the terms too.
            num_items_in_batch: Not used; each term has its own total.
        """
        del num_items_in_batch  # the totals hold it, and those of the other terms
        stage, state = self.job.stage, self.state
        last = self.accelerator.sync_gradients
        step = state.global_step + 1
        logged = step % stage.logging_steps == 0 or step == state.max_steps
        total, terms = model(
            inputs,
            totals=self._totals,
            progress=state.global_step / max(state.max_steps, 1),
            norms=self._norms,
            diagnose=last and logged,
        )
        self.guard.see(inputs, terms)
        self.progress.add(terms, len(inputs["ids"]))
        self._counts = self._counts.to(inputs["counts"].device) + inputs["counts"]
        return (total, terms) if return_outputs else total

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Tensor | None:
        """Count what each term is a mean over, in all batches and ranks whose gradients are added up.

        Ranks average their gradients, so each takes its share of what all of them hold.
        """
        self.guard.begin()
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

    def clip(self, model: nn.Module) -> Tensor:
        """Scale gradients down to the stage's largest norm.

        Args:
            model: The objective, wrapped or not.

        Returns:
            Their norm before, over all ranks `[]`.
        """
        return super()._clip_grad_norm(model)  # type: ignore[no-any-return]

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Scale gradients down, and leave the parameters alone where one is not a number."""
        norm = self.clip(model)
        scaled = self.accelerator.scaler is not None  # then its own check skips steps
        finite = self.guard.finite() if scaled else self.guard.finite() & torch.as_tensor(norm).isfinite()
        if not self.accelerator.gather(finite.to(self.args.device)).all():  # all ranks judge alike
            model.zero_grad()  # without gradients the optimizer changes nothing
            asked = not scaled and self.accelerator.num_processes == 1  # one rank alone cannot run it again
            self.guard.judge(self.state.global_step, self.accelerator.unwrap_model(model) if asked else None)
            model.zero_grad()
        return norm

    def _run_epoch(self, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Set the pass over the data for order and samples, resumed or not."""
        self._order.set_epoch(kwargs["epoch"])
        self.train_dataset.epoch = kwargs["epoch"]
        super()._run_epoch(**kwargs)

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int]:
        """Order the samples by the recipe's seed."""
        del train_dataset
        return self._order

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Write a checkpoint that is whole or not there."""
        del model, trial
        checkpoints = self.job.folder.checkpoints
        with checkpoints.whole_or_not():
            if self.is_world_process_zero():
                checkpoints.clear_part()
            self.accelerator.wait_for_everyone()
            self._fill(checkpoints.part)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                step = self.state.global_step
                checkpoints.commit(step, self.job.stage.save_total_limit)
                self.job.listeners.checkpoint_saved(step, checkpoints.at(step))
            self.accelerator.wait_for_everyone()

    def _fill(self, folder: Path) -> None:
        """Write the state that a resumed training needs."""
        own = {"random": state.random_state(), "progress": self.progress.state(), "counts": self._counts}
        state.save(folder, f"rank-{self.args.process_index}", own)
        if not self.is_world_process_zero():
            return
        scaler = self.accelerator.scaler
        held = {
            "ranks": self.args.world_size,
            "schedule": self.lr_scheduler.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "skipped": self.guard.skipped,
        }
        state.save(folder, "training", held)
        self._fill_learned(folder)
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _fill_learned(self, folder: Path) -> None:
        """Write what was learned, and the optimizer."""
        state.save(folder, "objective", state.learned(self.model))
        state.save(folder, "optimizer", self.optimizer.state_dict())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Load what was learned."""
        del model
        state.restore(self.model, state.load(Path(resume_from_checkpoint), "objective"))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load optimizer, schedule, scaler and what was logged."""
        if checkpoint is None:
            return
        folder = Path(checkpoint)
        held = state.load(folder, "training")
        if held["ranks"] != self.args.world_size:
            raise RunError(
                f"{folder}: was written by {held['ranks']} ranks; there are {self.args.world_size} now; "
                "run it on as many as before, or start the stage over with --restart"
            )
        self._load_optimizer(folder)
        self.lr_scheduler.load_state_dict(held["schedule"])
        if held["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(held["scaler"])
        own = state.load(folder, f"rank-{self.args.process_index}")
        self.progress.resume(own["progress"])
        self._counts, self.guard.skipped = own["counts"], held["skipped"]
        self.job.console.print(f"[bold]{self.job.name}[/]: resumes from step {self.state.global_step}")

    def _load_optimizer(self, folder: Path) -> None:
        self.optimizer.load_state_dict(state.load(folder, "optimizer"))

    def _load_scaler(self, checkpoint: str | None) -> None:
        """Do nothing: it was loaded with the schedule."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Put the random numbers where they were."""
        if checkpoint is not None:
            held = state.load(Path(checkpoint), f"rank-{self.args.process_index}")
            state.set_random_state(held["random"])
