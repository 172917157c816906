"""The configuration of DeepSpeed: generated from a recipe, laid over with a user's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remgcl import Fault, FaultsError, RunError, Stage

if TYPE_CHECKING:
    from remgcl.plugins.runners.deepspeed import DeepSpeed

SHARDED = 3
"""The ZeRO stage that shards parameters."""

GATHERED = int(1e9)
"""Most parameters that are held whole at once."""


def zero_config(runner: DeepSpeed, stage: Stage, width: int) -> dict[str, Any]:
    """Write a stage's settings as DeepSpeed wants them.

    The values of ZeRO are those of LLaVA's `scripts/zero3_offload.json`, the
    configuration of the published runs; bucket sizes are those that
    transformers derives from the width.

    Args:
        runner: The runner's settings.
        stage: The stage.
        width: Width D of the language model.
    """
    zero: dict[str, Any] = {
        "stage": runner.zero,
        "overlap_comm": not runner.cpu,
        "contiguous_gradients": True,
        "reduce_bucket_size": width**2,
    }
    if runner.zero == SHARDED:
        zero |= {
            "sub_group_size": int(1e9),
            "stage3_prefetch_bucket_size": int(0.9 * width**2),
            "stage3_param_persistence_threshold": 10 * width,
            "stage3_max_live_parameters": GATHERED,
            "stage3_max_reuse_distance": int(1e9),
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    if runner.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": not runner.cpu}
    if runner.offload_parameters:
        zero["offload_param"] = {"device": "cpu", "pin_memory": not runner.cpu}
    optimizer = {"lr": stage.learning_rate, "betas": list(stage.betas), "eps": 1e-8, "weight_decay": stage.weight_decay}
    return {
        "train_micro_batch_size_per_gpu": stage.batch_size,
        "gradient_accumulation_steps": stage.gradient_accumulation_steps,
        "train_batch_size": "auto",
        "gradient_clipping": stage.max_grad_norm,
        "bf16": {"enabled": stage.precision == "bfloat16"},
        "fp16": {"enabled": stage.precision == "float16"},
        "optimizer": {"type": "AdamW", "params": optimizer | ({"torch_adam": True} if runner.cpu else {})},
        "zero_optimization": zero,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }


def read_config(path: str | None) -> dict[str, Any]:
    """Read a user's own configuration.

    Args:
        path: A JSON file, or none.

    Raises:
        RunError: It is not a JSON object.
    """
    if path is None:
        return {}
    try:
        held = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read; {error}") from None
    if not isinstance(held, dict):
        raise RunError(f"{path}: is not a JSON object")
    return held


def merged(config: Mapping[str, Any], own: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Lay a user's configuration over the generated one.

    Args:
        config: The generated configuration.
        own: What the user wrote.
        path: The user's file, for errors.

    Raises:
        FaultsError: It contradicts what the recipe says.
    """
    faults = [Fault(path, key, what) for key, what in _contradictions(config, own)]
    if faults:
        raise FaultsError(faults)
    return _laid(config, own)


DECIDED = (
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "gradient_clipping",
    "bf16.enabled",
    "fp16.enabled",
    "optimizer.params.lr",
    "optimizer.params.betas",
    "optimizer.params.weight_decay",
    "zero_optimization.stage",
)
"""Keys that a recipe decides."""


def _contradictions(config: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "scheduler" in own:
        yield "scheduler", "cannot be set here; the recipe's schedule and warmup_ratio decide"
    for key in DECIDED:
        ours, theirs = _at(config, key), _at(own, key)
        if theirs not in (None, "auto", ours):
            yield key, f"is {theirs!r}; the recipe says {ours!r}"


def _at(table: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - JSON
    held: Any = table
    for name in key.split("."):
        held = held.get(name) if isinstance(held, Mapping) else None
    return held


def _laid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    laid = dict(under)
    for key, value in over.items():
        if isinstance(value, Mapping):
            laid[key] = _laid(laid[key] if isinstance(laid.get(key), Mapping) else {}, value)
        elif value != "auto":
            laid[key] = value
    return laid
