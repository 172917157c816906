"""The configuration of DeepSpeed: that of the published runs, and a user's own laid over it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import FaultsError, Recipe, RunError
from remgcl.plugins.runners.deepspeed import DeepSpeed
from remgcl.plugins.runners.zero import merged, read_config, zero_config


@pytest.fixture
def config(read: Callable[..., Recipe]) -> Callable[..., dict[str, Any]]:
    """Write the configuration of a stage, for a language model of width 4096."""

    def make(*overrides: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - settings of the runner
        stage = read(*(f"stages.first.{override}" for override in overrides)).stages["first"]
        return zero_config(DeepSpeed(**settings), stage, 4096)

    return make


def test_zero_3_with_offload_is_that_of_the_published_runs(config: Callable[..., dict[str, Any]]) -> None:
    """LLaVA's `scripts/zero3_offload.json`, with `auto` filled in as transformers does."""
    zero = config(zero=3, offload_optimizer=True, offload_parameters=True)["zero_optimization"]
    assert zero == {
        "stage": 3,
        "offload_optimizer": {"device": "cpu", "pin_memory": True},
        "offload_param": {"device": "cpu", "pin_memory": True},
        "overlap_comm": True,
        "contiguous_gradients": True,
        "sub_group_size": 1e9,
        "reduce_bucket_size": 4096 * 4096,
        "stage3_prefetch_bucket_size": int(0.9 * 4096 * 4096),
        "stage3_param_persistence_threshold": 10 * 4096,
        "stage3_max_live_parameters": 1e9,
        "stage3_max_reuse_distance": 1e9,
        "stage3_gather_16bit_weights_on_model_save": True,
    }


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("offload", [False, True])
def test_lower_stages_have_no_settings_of_the_third(
    config: Callable[..., dict[str, Any]], stage: int, *, offload: bool
) -> None:
    zero = config(zero=stage, offload_optimizer=offload and stage > 0)["zero_optimization"]
    expected = {"stage": stage, "overlap_comm": True, "contiguous_gradients": True, "reduce_bucket_size": 4096 * 4096}
    if offload and stage > 0:
        expected["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    assert zero == expected


def test_what_the_recipe_says_of_a_stage_is_what_deepspeed_does(config: Callable[..., dict[str, Any]]) -> None:
    held = config(
        "batch_size=6",
        "gradient_accumulation_steps=3",
        "max_grad_norm=2",
        "learning_rate=0.5",
        "betas=[0.5, 0.75]",
        "weight_decay=0.25",
        "precision=bfloat16",
    )
    assert held["train_micro_batch_size_per_gpu"] == 6
    assert held["gradient_accumulation_steps"] == 3
    assert held["train_batch_size"] == "auto"
    assert held["gradient_clipping"] == 2
    assert held["bf16"] == {"enabled": True}
    assert held["fp16"] == {"enabled": False}
    params = {"lr": 0.5, "betas": [0.5, 0.75], "eps": 1e-8, "weight_decay": 0.25}
    assert held["optimizer"] == {"type": "AdamW", "params": params}


@pytest.mark.parametrize(("precision", "told"), [("float32", (False, False)), ("float16", (False, True))])
def test_other_precisions(config: Callable[..., dict[str, Any]], precision: str, told: tuple[bool, bool]) -> None:
    held = config(f"precision={precision}")
    assert (held["bf16"]["enabled"], held["fp16"]["enabled"]) == told


def test_on_the_cpu_nothing_is_pinned_or_overlapped(config: Callable[..., dict[str, Any]]) -> None:
    held = config(zero=3, cpu=True, offload_optimizer=True, offload_parameters=True)
    zero = held["zero_optimization"]
    assert not zero["overlap_comm"]
    assert not zero["offload_optimizer"]["pin_memory"]
    assert not zero["offload_param"]["pin_memory"]
    assert held["optimizer"]["params"]["torch_adam"]


def test_the_configuration_is_json(config: Callable[..., dict[str, Any]]) -> None:
    held = config(zero=3, offload_optimizer=True, offload_parameters=True)
    assert json.loads(json.dumps(held)) == held


def test_a_users_own_is_laid_over_key_by_key_and_auto_changes_nothing(config: Callable[..., dict[str, Any]]) -> None:
    held = config(zero=3)
    own = {
        "zero_optimization": {"stage": 3, "reduce_bucket_size": 7, "overlap_comm": "auto"},
        "train_micro_batch_size_per_gpu": "auto",
        "communication_data_type": "fp32",
        "aio": {"thread_count": 2},
    }
    laid = merged(held, own, "mine.json")
    assert laid["zero_optimization"] == held["zero_optimization"] | {"reduce_bucket_size": 7}
    assert laid["aio"] == {"thread_count": 2}
    assert laid["communication_data_type"] == "fp32"
    assert {key: laid[key] for key in held if key != "zero_optimization"} == {
        key: held[key] for key in held if key != "zero_optimization"
    }
    assert held["zero_optimization"]["reduce_bucket_size"] == 4096 * 4096


def test_all_contradictions_are_told_with_file_and_key(config: Callable[..., dict[str, Any]]) -> None:
    own = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 9,
        "gradient_clipping": 0.5,
        "bf16": {"enabled": True},
        "fp16": {"enabled": True},
        "optimizer": {"params": {"lr": 1, "betas": [0, 0], "weight_decay": 1}},
        "zero_optimization": {"stage": 3},
        "scheduler": {"type": "WarmupLR"},
    }
    with pytest.raises(FaultsError) as raised:
        merged(config(zero=2), own, "mine.json")
    assert sorted(str(raised.value).splitlines()) == [
        "mine.json: bf16.enabled: is True; the recipe says False",
        "mine.json: fp16.enabled: is True; the recipe says False",
        "mine.json: gradient_accumulation_steps: is 9; the recipe says 1",
        "mine.json: gradient_clipping: is 0.5; the recipe says 1.0",
        "mine.json: optimizer.params.betas: is [0, 0]; the recipe says [0.9, 0.999]",
        "mine.json: optimizer.params.lr: is 1; the recipe says 2e-05",
        "mine.json: optimizer.params.weight_decay: is 1; the recipe says 0.0",
        "mine.json: scheduler: cannot be set here; the recipe's schedule and warmup_ratio decide",
        "mine.json: train_micro_batch_size_per_gpu: is 1; the recipe says 4",
        "mine.json: zero_optimization.stage: is 3; the recipe says 2",
    ]


def test_the_files_of_the_published_runs_can_be_given_as_they_are(config: Callable[..., dict[str, Any]]) -> None:
    own = {
        "fp16": {"enabled": "auto", "loss_scale": 0},
        "bf16": {"enabled": "auto"},
        "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto", "eps": "auto"}},
        "zero_optimization": {"stage": 3, "reduce_bucket_size": "auto"},
        "gradient_clipping": "auto",
        "train_batch_size": "auto",
    }
    laid = merged(config(zero=3), own, "zero3.json")
    assert laid["fp16"] == {"enabled": False, "loss_scale": 0}
    assert laid["optimizer"]["params"]["eps"] == 1e-8


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read; .*No such file"),
        ("{", "cannot be read; Expecting property name"),
        ("[]", "is not a JSON object"),
    ],
)
def test_a_configuration_that_is_none_is_told(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=f"mine.json: {told}"):
        read_config(str(path))


def test_no_configuration_is_an_empty_one() -> None:
    assert read_config(None) == {}
