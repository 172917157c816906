"""One stage, from its model to its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.markup import escape
from torch import nn
from transformers.utils import logging

from remgcl.core.errors import RemgclError, RunError
from remgcl.core.training.interrupts import Interrupts
from remgcl.core.training.job import Job
from remgcl.core.training.outcome import outcome, report
from remgcl.core.training.trainer import StageTrainer


def train(job: Job, build: Callable[[Job, nn.Module], StageTrainer]) -> None:
    """Answer the held-out samples, train, answer them again, and save.

    An interrupted training resumes from its newest valid checkpoint.

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
    learns = sum(parameter.numel() for parameter in objective.parameters() if parameter.requires_grad)
    facts = f"{len(trainer.train_dataset):,} samples, {learns:,} parameters learn, {trainer.where}"
    job.console.print(f"[bold]{job.name}[/]: {facts}")
    record: Mapping[str, Any] | None = None
    try:
        with Interrupts(job.name) as interrupts:
            trainer.add_callback(interrupts)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if interrupts.caught:
            raise RunError(
                f"stage {job.name!r}: interrupted at step {trainer.state.global_step}; run it again to resume"
            )
        after, counts = trainer.validate(), trainer.counts
        with trainer.whole_parameters():
            if trainer.is_world_process_zero():
                record = outcome(trainer.progress, counts, job.measure, trainer.answered_before, after)
                job.finish(objective, record)
                report(job, record, after)
    except RemgclError as error:
        _, of_worker, message = str(error).rpartition(f"{type(error).__name__}: ")
        if not of_worker:
            raise
        raise type(error)(message.strip()) from error  # it came with the worker's traceback in its text
    finally:
        if trainer.is_world_process_zero():
            job.listeners.stage_ends(record)
