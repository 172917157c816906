"""One stage trained by the Trainer of transformers, as every runner drives it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch
from rich.markup import escape
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from remgcl import COUNTS, Batch, DataError, GradientNorms, Job, RunError, Samples, exact_match
from remgcl.plugins.runners import state
from remgcl.plugins.runners.guard import Guard
from remgcl.plugins.runners.outcome import outcome, tell
from remgcl.plugins.runners.progress import Progress

SCHEDULES = {"constant": "constant_with_warmup", "cosine": "cosine", "linear": "linear"}
"""The schedules of a recipe in the words of transformers."""


def train(job: Job, build: Callable[[Job, nn.Module], StageTrainer]) -> None:
    """Answer the held-out samples, train, answer them again, and save.

    An interrupted training goes on from its newest valid checkpoint.

    Args:
        job: The stage.
        build: Makes the trainer of an objective.

    Raises:
        DataError: A sample cannot be used.
        RunError: The objective is not a number any more, a checkpoint cannot be
            written or read, or the training was interrupted.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # the stage has one of its own
    checkpoint, left = job.folder.checkpoints.newest()
    for reason in left:
        job.console.print(f"[yellow]{escape(reason)}[/]")
    model = job.build_model()
    objective = job.build_objective(model)
    trainer = build(job, objective)
    if checkpoint is None and trainer.is_world_process_zero():
        job.folder.rewind(0)  # an attempt may have left metrics, and no checkpoint
    learns = sum(parameter.numel() for parameter in objective.parameters() if parameter.requires_grad)
    told = f"{len(trainer.train_dataset):,} samples, {learns:,} parameters learn, {trainer.where}"
    job.console.print(f"[bold]{job.name}[/]: {told}")
    try:
        with Interrupts() as interrupts:
            trainer.add_callback(interrupts)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except DataError as error:
        # from a loader worker it comes with the worker's traceback in its text
        raise DataError(str(error).rpartition(f"{DataError.__name__}: ")[2].strip()) from error
    if interrupts.caught:
        raise RunError(f"stage {job.name!r}: interrupted at step {trainer.state.global_step}; run it again to go on")
    after, counts = job.validate(model), trainer.counts
    with trainer.whole_parameters():
        if trainer.is_world_process_zero():
            record = outcome(trainer.progress, counts, trainer.answered_before, after)
            job.finish(objective, record)
            tell(job, record, after)


class StageTrainer(Trainer):
    """The Trainer of transformers, for an objective that gives named terms.

    Attributes:
        progress: Shows and records the terms.
        guard: Keeps from the parameters what is not a number.
        answered_before: Share of the held-out samples that were answered right
            before the training, if there are any.
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

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
        """Answer the held-out samples as soon as the model is where it trains, or recall how they were answered."""
        prepared = super()._prepare_for_training(*args, **kwargs)
        file = self.job.folder.before
        known = file.exists()
        self.accelerator.wait_for_everyone()  # before any rank writes it
        if not known:
            answered = self.job.validate(self.model.model)
            if self.is_world_process_zero():
                self.job.folder.write(file, {"exact_match": exact_match(answered) if answered else None})
            self.accelerator.wait_for_everyone()
        self.answered_before = json.loads(file.read_text(encoding="utf-8"))["exact_match"]
        return prepared

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
            num_items_in_batch: Not used; each term has a total of its own.
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

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Scale gradients down, and leave the parameters alone where one is not a number."""
        norm = super()._clip_grad_norm(model)
        scaled = self.accelerator.scaler is not None  # then its own check skips steps
        finite = self.guard.finite() if scaled else self.guard.finite() & torch.as_tensor(norm).isfinite()
        if not finite:
            model.zero_grad()  # without gradients the optimizer changes nothing
            self.guard.judge(self.state.global_step, None if scaled else self.accelerator.unwrap_model(model))
            model.zero_grad()
        return norm  # type: ignore[no-any-return]

    def _run_epoch(self, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Tell order and samples which pass over the data this is, resumed or not."""
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
                checkpoints.commit(self.state.global_step, self.job.stage.save_keep)
            self.accelerator.wait_for_everyone()

    def _fill(self, folder: Path) -> None:
        """Write all that a resumed training goes on from."""
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
                "run it on as many as before, or begin the stage anew with --restart"
            )
        self._load_optimizer(folder)
        self.lr_scheduler.load_state_dict(held["schedule"])
        if held["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(held["scaler"])
        own = state.load(folder, f"rank-{self.args.process_index}")
        self.progress.resume(own["progress"], first=self.is_world_process_zero())
        self._counts, self.guard.skipped = own["counts"], held["skipped"]
        self.job.console.print(f"[bold]{self.job.name}[/]: goes on from step {self.state.global_step}")

    def _load_optimizer(self, folder: Path) -> None:
        self.optimizer.load_state_dict(state.load(folder, "optimizer"))

    def _load_scaler(self, checkpoint: str | None) -> None:
        """Do nothing: it was loaded with the schedule."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Put the random numbers where they were."""
        if checkpoint is not None:
            held = state.load(Path(checkpoint), f"rank-{self.args.process_index}")
            state.set_random_state(held["random"])


class Interrupts(TrainerCallback):
    """Lets Ctrl-C and SIGTERM end a training after its step, with a checkpoint.

    A second one ends it at once.

    Attributes:
        caught: Whether there was one.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.caught = False

    def __enter__(self) -> Self:
        """Catch signals from now on."""
        kinds = (signal.SIGINT, signal.SIGTERM)
        self._before = {kind: signal.signal(kind, self._catch) for kind in kinds} if _in_main_thread() else {}
        return self

    def __exit__(self, *_: object) -> None:
        """Leave signals to whom they were before."""
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Save and stop, if there was a signal on any rank."""
        del state
        if _any_rank(self.caught, args.device):
            self.caught = control.should_save = control.should_training_stop = True

    def _catch(self, kind: int, frame: FrameType | None) -> None:
        if self.caught:
            signal.default_int_handler(kind, frame)
        self.caught = True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _any_rank(flag: bool, device: torch.device) -> bool:  # noqa: FBT001 - private
    """Tell whether a flag is up on any rank."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return flag
    up = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(up)
    return bool(up)


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


def arguments(job: Job, *, cpu: bool, **more: Any) -> TrainingArguments:  # noqa: ANN401 - the arguments of transformers
    """Write a stage's settings as the Trainer wants them.

    Args:
        job: The stage.
        cpu: Whether to leave an accelerator alone.
        **more: Arguments of transformers that a runner adds.
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
        save_strategy="steps" if stage.save_steps else "epoch",
        save_steps=stage.save_steps or 1,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        seed=job.recipe.seed,
        use_cpu=cpu,
        **more,
    )
