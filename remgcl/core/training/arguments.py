"""A stage's settings as the Trainer of transformers wants them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainingArguments
from transformers.utils import is_torch_tf32_available

from remgcl.core.training.job import Job

SCHEDULES = {"constant": "constant_with_warmup", "cosine": "cosine", "linear": "linear"}
"""The schedules of a recipe in the words of transformers."""


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
        gradient_accumulation_steps=stage.gradient_accumulation_steps,
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
        tf32=stage.tf32 and is_torch_tf32_available(),
        dataloader_num_workers=stage.num_workers,
        dataloader_pin_memory=not cpu and torch.cuda.is_available(),
        logging_steps=stage.logging_steps,
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
